package relay

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"fairlead/lb/termination"
	"fairlead/tlsterm/record"
)

// patience bounds everything that a test of this package waits for.
const patience = time.Minute

// loopback returns both ends of a connection: near is ours, far the peer's.
func loopback(t testing.TB) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	far, near = f.(*net.TCPConn), n.(*net.TCPConn)
	_ = far.SetDeadline(time.Now().Add(patience))
	return near, far
}

// shrink gives both ends small buffers, so that a reader that stops is felt soon.
func shrink(conns ...*net.TCPConn) {
	for _, c := range conns {
		_ = c.SetReadBuffer(128 << 10)
		_ = c.SetWriteBuffer(128 << 10)
	}
}

// recordLeg is a TLS leg whose handshake was never done: all that the event loop wants of it.
type recordLeg struct {
	Leg
	handover *record.Handover
	conn     net.Conn
}

func (l *recordLeg) Obstacle() string                     { return "" }
func (l *recordLeg) Detach() (net.Conn, *record.Handover) { return l.conn, l.handover }

// recordPeer is the far end of a recordLeg, or of a plain leg if it has no state. Its writer and its reader may be two
// goroutines: a request for a KeyUpdate is answered by the writer.
type recordPeer struct {
	conn *net.TCPConn

	mu      sync.Mutex // state and out
	state   *record.State
	in, out record.Ciphers

	buf   []byte // ciphertext
	plain []byte // opened, not read yet
	end   error  // behind plain
}

// recordPair makes both ends of a TLS connection over a connection; ofClient says that the leg is a client leg.
func recordPair(near, far *net.TCPConn, suite uint16, ofClient bool) (*recordLeg, *recordPeer) {
	leg := &recordLeg{conn: near, handover: &record.Handover{State: *testState(suite, !ofClient)}}
	info := leg.handover.State.Info()
	return leg, &recordPeer{conn: far, state: twinOf(suite, ofClient, info.OutSeq, info.InSeq)}
}

// twinOf is the other end of a testState.
func twinOf(suite uint16, client bool, in, out uint64) *record.State {
	s := testState(suite, client)
	b, err := s.AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	for i := range 8 { // both sequence numbers, behind form, version, suite and flags
		b[7+i] = byte(in >> (56 - 8*i))
		b[15+i] = byte(out >> (56 - 8*i))
	}
	if err := s.UnmarshalBinary(b); err != nil {
		panic(err)
	}
	return s
}

func (p *recordPeer) Write(b []byte) (int, error) {
	if p.state == nil {
		return p.conn.Write(b)
	}
	p.mu.Lock()
	sealed := p.state.Seal(&p.out, nil, b, 0)
	p.mu.Unlock()
	if len(sealed) == 0 {
		return 0, io.ErrClosedPipe
	}
	if _, err := p.conn.Write(sealed); err != nil {
		return 0, err
	}
	return len(b), nil
}

// keyUpdate changes the peer's key, and may ask for the same.
func (p *recordPeer) keyUpdate(request bool) error {
	if p.state == nil {
		return nil
	}
	p.mu.Lock()
	sealed := p.state.SealKeyUpdate(&p.out, nil, request)
	p.mu.Unlock()
	_, err := p.conn.Write(sealed)
	return err
}

// closeWrite ends the peer's direction in order.
func (p *recordPeer) closeWrite() error {
	if err := p.closeNotify(); err != nil {
		return err
	}
	return p.conn.CloseWrite()
}

func (p *recordPeer) closeNotify() error {
	if p.state == nil {
		return nil
	}
	p.mu.Lock()
	sealed := p.state.SealCloseNotify(&p.out, nil)
	p.mu.Unlock()
	_, err := p.conn.Write(sealed)
	return err
}

func (p *recordPeer) reset() {
	_ = p.conn.SetLinger(0)
	_ = p.conn.Close()
}

// Read returns io.EOF for an end in order and io.ErrUnexpectedEOF for a FIN without close_notify.
func (p *recordPeer) Read(b []byte) (int, error) {
	if p.state == nil {
		return p.conn.Read(b)
	}
	for len(p.plain) == 0 {
		if p.end != nil {
			return 0, p.end
		}
		p.mu.Lock()
		plain, n, err := p.state.Open(&p.in, p.buf)
		p.mu.Unlock()
		p.plain, p.buf, p.end = plain, p.buf[n:], err
		if len(plain) > 0 || err != nil {
			continue
		}
		p.buf = append(make([]byte, 0, 4*record.MaxRecord), p.buf...)
		n, err = p.conn.Read(p.buf[len(p.buf):cap(p.buf)])
		p.buf = p.buf[:len(p.buf)+n]
		switch {
		case n > 0:
		case err == io.EOF: //nolint:errorlint // the very value
			p.end = io.ErrUnexpectedEOF
		default:
			p.end = err
		}
	}
	n := copy(b, p.plain)
	p.plain = p.plain[n:]
	return n, nil
}

// rig is a tunnel of a group of its own, and its far ends.
type rig struct {
	*testing.T
	group           *Group
	client, backend *recordPeer
	spec            Spec
	tunnel          Tunnel
	ended           chan Result
}

// newRig connects what is to become a tunnel; a suite of 0 is a plain leg.
func newRig(t *testing.T, clientSuite, backendSuite uint16) *rig {
	t.Helper()
	r := &rig{T: t, group: NewGroup(Options{Loops: 1}), ended: make(chan Result, 1)}
	r.group.timing.linger = time.Hour // what ends sooner has another reason
	r.spec.Client, r.client = legOf(t, clientSuite, true)
	r.spec.Upstream, r.backend = legOf(t, backendSuite, false)
	r.spec.Owner = ownerOf(func(res Result) { r.ended <- res })
	return r
}

func legOf(t testing.TB, suite uint16, ofClient bool) (Leg, *recordPeer) {
	t.Helper()
	near, far := loopback(t)
	shrink(near, far)
	t.Cleanup(func() { _ = far.Close() })
	if suite == 0 {
		return NewConnLeg(near), &recordPeer{conn: far}
	}
	return recordPair(near, far, suite, ofClient)
}

func (r *rig) start() {
	r.Helper()
	if err := r.group.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		r.group.KillAll(termination.Killed)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.group.Wait(ctx); err != nil {
			r.Error(err)
			return
		}
		r.group.Close()
	})
}

func (r *rig) adopt() {
	r.Helper()
	r.start()
	r.tunnel = r.group.Adopt(r.spec)
}

// result waits for the end.
func (r *rig) result(cause termination.Cause) Result {
	r.Helper()
	select {
	case res := <-r.ended:
		if res.Cause != cause {
			r.Errorf("cause %v (%v), want %v", res.Cause, res.Err, cause)
		}
		return res
	case <-time.After(patience / 4):
		r.Fatal("the tunnel does not end")
		return Result{}
	}
}

func (r *rig) say(p *recordPeer, s string) {
	r.Helper()
	if _, err := p.Write([]byte(s)); err != nil {
		r.Fatalf("write: %v", err)
	}
}

func (r *rig) hear(p *recordPeer, s string) {
	r.Helper()
	b := make([]byte, len(s))
	if n, err := io.ReadFull(p, b); err != nil || string(b) != s {
		r.Fatalf("%.100q and %v, want %.100q", b[:n], err, s)
	}
}

func (r *rig) hearEnd(p *recordPeer) {
	r.Helper()
	if b, err := io.ReadAll(p); len(b) > 0 || err != nil {
		r.Errorf("%d bytes and %v, want an end in order", len(b), err)
	}
}

// leftover is what the loops of a group hold.
type leftover struct {
	tunnels, states, lent, spare, ciphers, pipes, beside, queued, slots int
}

// leftovers asks the loops. A Wait that has returned comes before the end of what the loop was doing.
func leftovers(t interface{ Fatal(...any) }, g *Group) leftover {
	var all leftover
	for _, l := range g.loops {
		done := make(chan struct{})
		if !l.post(func() {
			defer close(done)
			l.mu.Lock()
			defer l.mu.Unlock()
			all.tunnels += int(l.tunnels.next) - len(l.tunnels.free)
			all.states += int(l.states.next) - len(l.states.free)
			all.lent += l.buffers.lent()
			all.slots += len(l.buffers.slots)
			for _, s := range l.buffers.spare {
				all.spare += len(s)
			}
			all.ciphers += l.ciphers.lent
			all.beside += len(l.extras) + len(l.errs) + len(l.bounds) + len(l.prefixes) + len(l.kernel)
			for _, id := range append(l.ready, l.working...) {
				if id != nobody {
					all.queued++
				}
			}
			for _, p := range l.lent {
				if p != nil {
					all.pipes++
				}
			}
		}) {
			t.Fatal("the loop has ended")
		}
		<-done
	}
	return all
}

// noLeftovers waits for the sweep that lets the last of it go.
func noLeftovers(t testing.TB, g *Group) {
	t.Helper()
	var all leftover
	for end := time.Now().Add(patience / 2); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if all = leftovers(t, g); all == (leftover{}) {
			return
		}
	}
	t.Errorf("left in the loops: %+v", all)
}

const (
	suite13 = tls.TLS_AES_128_GCM_SHA256
	suite12 = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
)
