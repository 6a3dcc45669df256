package sys

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kernel TLS, transmit only (Documentation/networking/tls.rst of the kernel). After AttachKTLS and SetKTLSTx what is
// sent on a TCP socket leaves it as TLS records. Receiving stays as it was: it gives the peer's records, still sealed.
//
// What a caller that never blocks has to know. Names in brackets are of net/tls/tls_sw.c.
//
//   - The descriptor is O_NONBLOCK. SPLICE_F_NONBLOCK alone is about the pipe: splice(2) to a blocking socket waits.
//   - send, write and splice count plaintext. A count says that these bytes are sealed (their sequence numbers are
//     used) and will go out in order; not that TCP has them. At most one record waits behind a full socket buffer; the
//     kernel itself moves it on when there is room [tls_write_space], no call of ours is needed, and the next send
//     keeps the order. EAGAIN and a short count mean what they mean on a plain socket, and so does EPOLLOUT.
//   - Each send without MSG_MORE ends a record, and so does the end of each splice: 21 to 29 bytes a record, so send
//     what there is in one call. MSG_MORE and SPLICE_F_MORE keep the record open, unsealed and unsent, until another
//     send: never on interactive streams.
//   - A splice with a short count may leave a record open too, for the pages that are still in the pipe: splice the rest
//     before anything else is sent, a control record above all. Linux closes an open record for it, but does not look
//     at the content type if that met a full buffer [tls_process_cmsg], and relies on the buffer being full ever after.
//   - EINTR comes before anything was taken [tx_lock]: again.
//   - The end: everything sent, then SendKTLSControl with close_notify until it was taken, then wait until
//     KTLSMeter.Pending says 0, then shutdown(2) or close(2). Either throws away what the TLS layer still holds, in the
//     middle of a record; SIOCOUTQ does not count it. There is no event for the layer being empty: the kernel moves on
//     what it holds in a worker of its own, at the same time as it reports EPOLLOUT, so ask then, and if it was too
//     early again by a timer of some milliseconds, not by EPOLLOUT, which is true all the while. A connection that
//     breaks never gets to 0; EPOLLERR or EPOLLHUP tells.
//   - A fatal error of the TLS layer stays: EBADMSG (sealing failed) or what TCP said. The peer has got whole records
//     up to there and perhaps a part of one; nothing can follow, not even an alert.

// ErrKTLSAbsent says that this kernel, as it is configured and with the modules it has now, does not do it.
var ErrKTLSAbsent = errors.New("kernel TLS is absent")

// KTLSKeys is one direction's traffic keys and where it stands.
type KTLSKeys struct {
	// Version is tls.VersionTLS12 or tls.VersionTLS13; Suite an ID of crypto/tls.
	Version, Suite uint16
	// Key has 16 bytes for AES-128, 32 for AES-256 and ChaCha20.
	Key []byte
	// IV is the static IV (RFC 8446 section 5.3, RFC 7905 section 2). TLS 1.2 with GCM has its four bytes of salt in
	// front (RFC 5288 section 3) and the rest unused.
	IV [12]byte
	// Seq is the sequence number of the next record. One that was used already gives the plaintext away.
	Seq uint64
}

// The numbers of linux/tls.h.
const (
	tlsTx            = 1  // TLS_TX
	tlsSetRecordType = 1  // TLS_SET_RECORD_TYPE
	tlsAES128GCM     = 51 // TLS_CIPHER_AES_GCM_128
	tlsAES256GCM     = 52 // TLS_CIPHER_AES_GCM_256
	tlsChaCha20      = 54 // TLS_CIPHER_CHACHA20_POLY1305
)

// cryptoInfo has room for the largest struct tls12_crypto_info_* of ours. Each is: version and cipher in the machine's
// byte order, then iv, key, salt and rec_seq as bytes.
type cryptoInfo [4 + 8 + 32 + 4 + 8]byte

// ktlsCipher returns the kernel's number for a suite and the sizes of iv, key and salt; 0 if there is none.
func ktlsCipher(suite uint16) (cipher uint16, iv, key, salt int) {
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:
		return tlsAES128GCM, 8, 16, 4
	case tls.TLS_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:
		return tlsAES256GCM, 8, 32, 4
	case tls.TLS_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return tlsChaCha20, 12, 32, 0
	}
	return 0, 0, 0, 0
}

// encode writes the kernel's struct and returns its length.
func (k *KTLSKeys) encode(info *cryptoInfo) (int, error) {
	cipher, iv, key, salt := ktlsCipher(k.Suite)
	if cipher == 0 || k.Version != tls.VersionTLS12 && k.Version != tls.VersionTLS13 {
		return 0, fmt.Errorf("suite %#04x of TLS version %#04x: %w", k.Suite, k.Version, unix.EINVAL)
	}
	if len(k.Key) != key {
		return 0, fmt.Errorf("a key of %d bytes where suite %#04x has %d: %w", len(k.Key), k.Suite, key, unix.EINVAL)
	}
	b := binary.NativeEndian.AppendUint16(info[:0], k.Version)
	b = binary.NativeEndian.AppendUint16(b, cipher)
	if k.Version == tls.VersionTLS12 && cipher != tlsChaCha20 {
		// Here the kernel's iv is the explicit nonce of the next record, which it sends along and counts up by itself.
		// Taking the sequence number for it makes it as unique, and is what crypto/tls does.
		b = binary.BigEndian.AppendUint64(b, k.Seq)
	} else {
		b = append(b, k.IV[salt:salt+iv]...)
	}
	b = append(b, k.Key...)
	b = append(b, k.IV[:salt]...)
	return len(binary.BigEndian.AppendUint64(b, k.Seq)), nil
}

// AttachKTLS puts the kernel's TLS layer on a connected TCP socket (TCP_ULP). Until SetKTLSTx it passes bytes through,
// so a caller that gets no further goes on as before. Errors: ENOENT if the layer is not there (CONFIG_TLS; Linux
// loads the module by itself only for CAP_NET_ADMIN, so `modprobe tls` at boot), ENOTCONN if the connection is not
// established or the peer has sent FIN, EEXIST if it was attached before.
func AttachKTLS(fd int) error {
	return os.NewSyscallError("setsockopt TCP_ULP", unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_ULP, "tls"))
}

// SetKTLSTx gives the kernel the keys for what is sent from now on. What TCP has already taken goes out as it is, so it
// may be called with data in the socket buffer. Errors: EINVAL if this kernel lacks the version or the cipher (TLS 1.3
// since Linux 5.1, ChaCha20 since 5.11), ENOENT if it lacks the algorithm (a module again: gcm, chacha20poly1305).
//
// A second call changes the keys of TLS 1.3, since Linux 6.14; before, and with TLS 1.2, it is EBUSY and the old keys
// stay. The KeyUpdate message must have been taken by SendKTLSControl and no record may be open; records that wait
// are sealed already. Version and cipher stay.
func SetKTLSTx(fd int, k *KTLSKeys) error {
	var info cryptoInfo
	defer clear(info[:]) // the key leaves no copy
	n, err := k.encode(&info)
	if err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_TLS, tlsTx, uintptr(unsafe.Pointer(&info[0])), uintptr(n), 0)
	if errno != 0 {
		return os.NewSyscallError("setsockopt TLS_TX", errno)
	}
	return nil
}

// KTLSTxSeq returns the sequence number of the next record that the kernel seals. It is exact at the time of the call,
// under the socket's lock: it counts records that were sealed and wait, and not one that MSG_MORE keeps open. For
// AES-GCM since the kernel has it; for ChaCha20 since Linux 5.16, before which it is EINVAL. EBUSY without SetKTLSTx.
func KTLSTxSeq(fd int, suite uint16) (uint64, error) {
	var info cryptoInfo
	defer clear(info[:])
	cipher, iv, key, salt := ktlsCipher(suite)
	if cipher == 0 {
		return 0, fmt.Errorf("suite %#04x: %w", suite, unix.EINVAL)
	}
	at := 4 + iv + key + salt
	n := uint32(at + 8) // the kernel takes no other length than that of the very cipher
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_TLS, tlsTx, uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 0, os.NewSyscallError("getsockopt TLS_TX", errno)
	}
	return binary.BigEndian.Uint64(info[at:]), nil
}

// SendKTLSControl sends b, 1 to 16384 bytes, as one record of another content type than application data: an alert (21)
// or a handshake message (22). It is taken whole or not at all: EAGAIN if the socket buffer is full, then again after
// EPOLLOUT. It must not follow an open record. A meter is to be told (KTLSMeter.Took).
func SendKTLSControl(fd int, contentType byte, b []byte) error {
	var control [unix.SizeofCmsghdr + 8]byte // CmsgSpace(1)
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	h.Level, h.Type = unix.SOL_TLS, tlsSetRecordType
	h.SetLen(unix.CmsgLen(1))
	control[unix.CmsgLen(0)] = contentType
	n, err := unix.SendmsgN(fd, b, control[:unix.CmsgSpace(1)], nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.SendmsgN(fd, b, control[:unix.CmsgSpace(1)], nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	if err == nil && n != len(b) { // memory ran out within a record: what went is not the message that was meant
		err = unix.EMSGSIZE
	}
	return os.NewSyscallError("sendmsg TLS_SET_RECORD_TYPE", err)
}
