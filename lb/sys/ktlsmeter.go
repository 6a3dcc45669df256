package sys

import (
	"crypto/tls"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// KTLSMeter tells what a socket's TLS layer holds back. Nothing in the kernel does: SIOCOUTQ begins behind that layer.
// But a record's size is known, the kernel counts records (KTLSTxSeq), and TCP counts the bytes that it was given.
type KTLSMeter struct {
	start   uint64 // what TCP had been given when the keys were set
	plain   uint64 // plaintext that the TLS layer took since
	records uint64 // records under earlier keys
	first   uint64 // the first sequence number under the present keys
	suite   uint16
	size    uint8 // what a record has beside its plaintext
}

// NewKTLSMeter begins to count. It is called before SetKTLSTx with the same keys, with nothing sent in between.
func NewKTLSMeter(fd int, k *KTLSKeys) (KTLSMeter, error) {
	start, exact, err := givenToTCP(fd)
	if err == nil && !exact { // too little here would let Pending say 0 too early
		err = fmt.Errorf("bytes given to TCP: they change too fast: %w", unix.EAGAIN)
	}
	m := KTLSMeter{start: start, first: k.Seq, suite: k.Suite, size: 5 + 16} // header and tag
	cipher, iv, _, _ := ktlsCipher(k.Suite)
	switch {
	case k.Version == tls.VersionTLS13:
		m.size++ // the inner content type
	case cipher != tlsChaCha20:
		m.size += uint8(iv) // the explicit nonce
	}
	return m, err
}

// Numbers is all that a meter knows, for another process that the socket goes to.
func (m *KTLSMeter) Numbers() [6]uint64 {
	return [...]uint64{m.start, m.plain, m.records, m.first, uint64(m.suite), uint64(m.size)}
}

// KTLSMeterOf is the inverse of Numbers. What it does not know it takes modulo its size.
func KTLSMeterOf(n [6]uint64) KTLSMeter {
	return KTLSMeter{start: n[0], plain: n[1], records: n[2], first: n[3], suite: uint16(n[4]), size: uint8(n[5])} //nolint:gosec // as said
}

// Took notes that the TLS layer took n bytes of plaintext, of control records too.
func (m *KTLSMeter) Took(n int) { m.plain += uint64(n) }

// Rekey is SetKTLSTx for a socket with a meter. An error leaves the old keys in place.
func (m *KTLSMeter) Rekey(fd int, k *KTLSKeys) error {
	next, err := KTLSTxSeq(fd, m.suite)
	if err != nil {
		return err
	}
	if err := SetKTLSTx(fd, k); err != nil {
		return err
	}
	m.records += next - m.first
	m.first = k.Seq
	return nil
}

// Pending returns how many bytes the TLS layer holds: sealed ones that wait for room, and plaintext of a record that is
// open. 0 is certain. More than 0 may be too much while acknowledgements arrive; the caller asks again, soon: no event
// tells that the layer has become empty, but it empties right behind EPOLLOUT. A few system calls, so it is for the end
// of a stream, not for each send. It does not count what TCP holds, which survives shutdown(2) and close(2).
func (m *KTLSMeter) Pending(fd int) (int64, error) {
	given, _, err := givenToTCP(fd)
	if err != nil {
		return 0, err
	}
	next, err := KTLSTxSeq(fd, m.suite)
	if err != nil {
		return 0, err
	}
	sealed := (m.records + next - m.first) * uint64(m.size)
	return int64(m.plain + sealed - (given - m.start)), nil
}

// givenToTCP returns how many bytes were put into a socket's TCP since it connected, give or take a constant: those
// that are acknowledged (Linux 4.1, RFC 4898) and those that are not (tcp(7), SIOCOUTQ). An acknowledgement between
// the two questions makes it too little, never too much, so it asks until none came between; if one always does, it
// is not exact. tcpi_bytes_sent would not do: it counts twice what this machine dropped on the way out and sent again.
func givenToTCP(fd int) (given uint64, exact bool, err error) {
	acked, err := ackedByPeer(fd)
	for range 16 {
		if err != nil {
			return 0, false, err
		}
		queued, failed := unix.IoctlGetUint32(fd, unix.SIOCOUTQ)
		if failed != nil {
			return 0, false, os.NewSyscallError("ioctl SIOCOUTQ", failed)
		}
		given = acked + uint64(queued)
		before := acked
		if acked, err = ackedByPeer(fd); err == nil && acked == before {
			return given, true, nil
		}
	}
	return given, false, err
}

func ackedByPeer(fd int) (uint64, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt TCP_INFO", err)
	}
	return info.Bytes_acked, nil
}
