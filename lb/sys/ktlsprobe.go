package sys

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// probePatience bounds ProbeKTLS, which needs a few milliseconds.
const probePatience = 2 * time.Second

// KTLSSupport is what ProbeKTLS found out about this kernel.
type KTLSSupport struct {
	// Works says that at least one of Suites does. If not, Reason says why: it is ErrKTLSAbsent, or what kept the probe
	// from finding out.
	Works  bool
	Reason error
	// Rekey says that SetKTLSTx changes the keys of TLS 1.3. If not, RekeyReason is like Reason.
	Rekey       bool
	RekeyReason error
	// Suites has a line for each version and cipher.
	Suites []KTLSSuite
}

// KTLSSuite is one version and cipher. Err is nil if it works, ErrKTLSAbsent if the kernel lacks it, and otherwise what
// went wrong while it was tried.
type KTLSSuite struct {
	Version, Suite uint16
	Err            error
}

// Has tells whether the kernel seals records of this version and suite, any of crypto/tls.
func (s KTLSSupport) Has(version, suite uint16) bool {
	cipher, _, _, _ := ktlsCipher(suite)
	for _, tried := range s.Suites {
		if c, _, _, _ := ktlsCipher(tried.Suite); c == cipher && cipher != 0 && tried.Version == version {
			return tried.Err == nil
		}
	}
	return false
}

// ProbeKTLS tries the kernel's TLS layer on loopback connections, and compares each record with the one that it should
// have made: small ones, one out of a pipe (splice(2)), as many as fill the socket buffer, an alert, and the orderly
// end. It is for the start of a program: a few milliseconds, two seconds at most (or the context's
// deadline); no descriptor or goroutine stays.
func ProbeKTLS(ctx context.Context) KTLSSupport {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	var s KTLSSupport
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		for _, suite := range []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256} {
			err := probeSuite(ctx, version, suite)
			s.Suites = append(s.Suites, KTLSSuite{Version: version, Suite: suite, Err: err})
			s.Works = s.Works || err == nil
		}
	}
	if !s.Works {
		s.Reason, s.RekeyReason = s.Suites[0].Err, s.Suites[0].Err
		return s
	}
	s.RekeyReason = probeRekey(ctx)
	s.Rekey = s.RekeyReason == nil
	return s
}

func probeSuite(ctx context.Context, version, suite uint16) error {
	p, err := newKTLSProbe(ctx, version, suite)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.send([]byte(probeData)); err != nil {
		return err
	}
	if err := p.splice([]byte(probePiped)); err != nil {
		return err
	}
	if suite != tls.TLS_CHACHA20_POLY1305_SHA256 { // the standard library has no ChaCha20 to compare that much with
		if err := p.fill(); err != nil {
			return err
		}
	}
	return p.finish()
}

func probeRekey(ctx context.Context) error {
	p, err := newKTLSProbe(ctx, tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256)
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.control(recordHandshake, []byte{24, 0, 0, 1, 0}); err != nil { // KeyUpdate, update_not_requested
		return err
	}
	next := probeKeys(tls.VersionTLS13, tls.TLS_AES_128_GCM_SHA256)
	next.Seq, next.Key[0], next.IV[0] = 0, 0x55, 0x55
	if err := p.onSocket(func(fd int) error { return p.meter.Rekey(fd, &next) }); err != nil {
		return absent(err)
	}
	if err := p.use(&next); err != nil {
		return err
	}
	if err := p.send([]byte(probeData)); err != nil {
		return err
	}
	return p.finish()
}

// absent tells the errors that mean "not on this kernel" from others, such as a filter's EPERM.
func absent(err error) error {
	if is(err, unix.ENOENT, unix.EINVAL, unix.ENOPROTOOPT, unix.EBUSY, unix.EOPNOTSUPP) {
		return fmt.Errorf("%w: %w", ErrKTLSAbsent, err)
	}
	return err
}

// ktlsProbe is a loopback connection whose one end the kernel seals for, and the bytes that must come out at the other.
type ktlsProbe struct {
	out, in *net.TCPConn
	raw     syscall.RawConn // of out
	keys    KTLSKeys
	seal    sealer
	meter   KTLSMeter
	want    []byte
}

func newKTLSProbe(ctx context.Context, version, suite uint16) (*ktlsProbe, error) {
	out, in, err := loopback(ctx)
	if err != nil {
		return nil, fmt.Errorf("kernel TLS cannot be tried on loopback: %w", err)
	}
	p := &ktlsProbe{out: out, in: in}
	keys := probeKeys(version, suite)
	if p.raw, err = out.SyscallConn(); err == nil {
		err = p.use(&keys)
	}
	if err == nil {
		err = p.onSocket(func(fd int) error {
			var failed error
			if p.meter, failed = NewKTLSMeter(fd, &keys); failed != nil {
				return failed
			}
			if failed = AttachKTLS(fd); failed == nil {
				failed = SetKTLSTx(fd, &keys)
			}
			if failed == nil { // ChaCha20 before Linux 5.16: without it nobody knows when all is sent
				_, failed = KTLSTxSeq(fd, suite)
			}
			return absent(failed)
		})
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// loopback returns the two ends of a connection with the context's deadline.
func loopback(ctx context.Context) (out, in *net.TCPConn, err error) {
	listeners, err := Listen(ctx, "127.0.0.1:0", ListenOptions{})
	if err != nil {
		return nil, nil, err
	}
	l := listeners[0]
	defer func() { _ = l.Close() }()
	deadline, _ := ctx.Deadline()
	if tcp, ok := l.(interface{ SetDeadline(time.Time) error }); ok {
		_ = tcp.SetDeadline(deadline)
	}
	// A small window and small segments, so that the socket buffer is soon full and has no room in the middle of a record.
	err = control(l, func(fd int) error {
		return errors.Join(setInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<10), setInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1460))
	})
	if err != nil {
		return nil, nil, err
	}
	dialled, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	for {
		accepted, err := l.Accept()
		if err != nil {
			_ = dialled.Close()
			return nil, nil, err
		}
		if accepted.RemoteAddr().String() == dialled.LocalAddr().String() {
			out, in = dialled.(*net.TCPConn), accepted.(*net.TCPConn)
			break
		}
		_ = accepted.Close() // somebody else found the port
	}
	_, _, _ = out.SetWriteBuffer(16<<10), out.SetDeadline(deadline), in.SetDeadline(deadline)
	return out, in, nil
}

func (p *ktlsProbe) close() {
	_ = p.out.Close()
	_ = p.in.Close()
}

// use makes keys those of the records to come.
func (p *ktlsProbe) use(k *KTLSKeys) (err error) {
	p.keys = *k
	p.seal, err = newSealer(k)
	return err
}

// expect notes a record that the other end must receive, and that the TLS layer took its plaintext.
func (p *ktlsProbe) expect(contentType byte, plain []byte) {
	p.want = p.seal(p.want, p.keys.Seq, contentType, plain)
	p.keys.Seq++
	p.meter.Took(len(plain))
}

func (p *ktlsProbe) onSocket(f func(fd int) error) error { return controlRaw(p.raw, f) }

// whenWritable runs f until it is not EAGAIN, with waits in between until the deadline.
func (p *ktlsProbe) whenWritable(f func(fd int) error) error {
	var failed error
	err := p.raw.Write(func(fd uintptr) bool {
		failed = f(int(fd))
		return !is(failed, unix.EAGAIN)
	})
	if err != nil {
		return err
	}
	return failed
}

func (p *ktlsProbe) send(plain []byte) error {
	err := p.whenWritable(func(fd int) error {
		n, err := unix.SendmsgN(fd, plain, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err == nil && n != len(plain) {
			return io.ErrShortWrite
		}
		return os.NewSyscallError("sendmsg", err)
	})
	p.expect(recordData, plain)
	return err
}

// splice sends plain by way of a pipe.
func (p *ktlsProbe) splice(plain []byte) error {
	pipe, err := NewPipe(minPipe)
	if err != nil {
		return err
	}
	defer pipe.Close()
	if _, err := unix.Write(pipe.w, plain); err != nil {
		return os.NewSyscallError("write", err)
	}
	err = p.whenWritable(func(fd int) error {
		n, err := unix.Splice(pipe.r, nil, fd, nil, len(plain), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err == nil && int(n) != len(plain) {
			return io.ErrShortWrite
		}
		return os.NewSyscallError("splice", err)
	})
	p.expect(recordData, plain)
	return err
}

func (p *ktlsProbe) control(contentType byte, b []byte) error {
	err := p.whenWritable(func(fd int) error { return SendKTLSControl(fd, contentType, b) })
	p.expect(contentType, b)
	return err
}

// fill sends until the socket takes no more, with nobody reading, and then reads all of it.
func (p *ktlsProbe) fill() error {
	chunk := bytes.Repeat([]byte("0123456789abcdef"), 1024) // as much as a record carries
	var err error
	for sent := 0; err == nil; {
		var n int
		err = p.onSocket(func(fd int) (err error) {
			n, err = unix.SendmsgN(fd, chunk, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			return os.NewSyscallError("sendmsg", err)
		})
		if err == nil {
			p.expect(recordData, chunk[:n])
		}
		if sent += n; sent > 4<<20 {
			return errors.New("a send that does not block never met a full socket buffer")
		}
	}
	if !is(err, unix.EAGAIN) {
		return err
	}
	return p.compare(len(p.want))
}

// compare reads what the other end received and checks the first n bytes that are expected.
func (p *ktlsProbe) compare(n int) error {
	got := make([]byte, n)
	if _, err := io.ReadFull(p.in, got); err != nil {
		return fmt.Errorf("records of kernel TLS: %w", err)
	}
	if !bytes.Equal(got, p.want[:n]) {
		return errors.New("kernel TLS made other records than it should have")
	}
	p.want = p.want[n:]
	return nil
}

// finish ends the stream in order and checks that nothing is missing and nothing too much.
func (p *ktlsProbe) finish() error {
	if err := p.control(recordAlert, []byte{1, 0}); err != nil { // close_notify
		return err
	}
	// All of it fits into the receiver's buffer, so the TLS layer has nothing to wait for.
	if err := p.compare(len(p.want)); err != nil {
		return err
	}
	err := p.onSocket(func(fd int) error {
		pending, err := p.meter.Pending(fd)
		if err == nil && pending != 0 {
			err = fmt.Errorf("%d bytes wait in the TLS layer, though all arrived", pending)
		}
		if next, failed := KTLSTxSeq(fd, p.keys.Suite); failed == nil && next != p.keys.Seq {
			err = errors.Join(err, fmt.Errorf("the kernel's sequence number is %d instead of %d", next, p.keys.Seq))
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := p.out.CloseWrite(); err != nil {
		return err
	}
	if n, err := p.in.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("instead of the end of the stream: %w", cmp.Or(err, errors.New("another byte")))
	}
	return nil
}
