package relay

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"

	"fairlead/lb/sys"
)

// fewBytes is the number of reads in a row that a small buffer could have taken before a direction returns to one.
const fewBytes = 8

// direction moves the bytes of one leg to the other: through a small buffer, through a large one once a read filled
// the small one, and through a pipe once a read filled the large one and both legs are plain sockets. It returns to
// small when reads get small again, or after a second without any.
//
// Only its goroutine touches it, except for the atomics.
type direction struct {
	src, dst Leg
	prefix   []byte
	moved    atomic.Uint64 // bytes written to dst
	spliced  atomic.Bool   // some of them through a pipe
	sink     atomic.Bool   // dst is broken: drop what is read

	bulk     bool          // the last reads were large: uses a large buffer or the pipe, and has a read deadline
	few      int           // reads in a row that would have fitted a small buffer
	armed    time.Duration // when the read deadline was last set, on the tunnel's clock; 0: there is none
	buf      buffer
	noSplice bool         // these legs cannot, or the kernel would not
	splicer  *sys.Splicer // nil until needed
	pipe     *sys.Pipe    // borrowed, or nil
}

// move runs until the direction ends or the tunnel is stopped. It leaves nothing borrowed.
func (d *direction) move(t *Tunnel) ending {
	defer d.release(t.group)
	if len(d.prefix) > 0 {
		if err := d.write(t, d.prefix); err != nil {
			return ending{write: err}
		}
		d.prefix = nil
	}
	for {
		d.arm(t)
		// After arm: stop sets this first and the deadlines second, so that we see either the one or the other.
		if t.stopped.Load() {
			return ending{}
		}
		var e ending
		if d.pipe != nil {
			e = d.splice(t)
		} else {
			e = d.copy(t)
		}
		switch {
		case errors.Is(e.read, os.ErrDeadlineExceeded):
			d.calm(t.group)
		case d.sink.Load() && (errors.Is(e.read, ErrOver) || errors.Is(e.read, ErrSurplus)):
			// dropped already
		case e.any():
			return e
		}
	}
}

// copy does one read and its write.
func (d *direction) copy(t *Tunnel) ending {
	b := d.buf.useFor(d.bulk)
	n, rerr := d.src.Read(b)
	if n > 0 {
		if err := d.write(t, b[:n]); err != nil {
			return ending{write: err}
		}
		d.adapt(t.group, n, n == len(b))
	}
	return ending{read: rerr}
}

func (d *direction) write(t *Tunnel, b []byte) error {
	if d.sink.Load() {
		return nil
	}
	n, err := d.dst.Write(b)
	if n > 0 {
		d.moved.Add(uint64(n))
		t.touch()
	}
	if err == nil && n < len(b) {
		return io.ErrShortWrite
	}
	return err
}

// splice fills the pipe once and empties it. A deadline can pass only while it is empty.
func (d *direction) splice(t *Tunnel) ending {
	n, err := d.splicer.Fill(d.pipe)
	if err != nil {
		if !sys.IsUnsupported(err) {
			return ending{read: err}
		}
		// Nothing was taken, so copying can go on where splice did not: on a kernel or under a filter without it.
		d.splicer, d.noSplice = nil, true
		d.returnPipe(t.group)
		return ending{}
	}
	for d.pipe.Held() > 0 {
		// Each piece counts at once, or a slow reader of a full pipe would look idle.
		m, err := d.splicer.Drain(d.pipe)
		if err != nil {
			return ending{write: err}
		}
		d.spliced.Store(true)
		d.moved.Add(uint64(m))
		t.touch()
	}
	d.adapt(t.group, n, false)
	return ending{}
}

// adapt chooses how to move the next bytes after n of them; full tells that there was no room for more.
func (d *direction) adapt(g *Group, n int, full bool) {
	if d.bulk && n <= smallBuffer {
		if d.few++; d.few >= fewBytes {
			d.calm(g)
		}
		return
	}
	d.few = 0
	switch {
	case !full:
	case !d.bulk:
		d.bulk = true
	case d.pipe == nil && !d.sink.Load() && d.canSplice(g):
		if d.pipe = g.pipes.borrow(); d.pipe != nil {
			d.buf.release()
		}
	}
}

// canSplice makes the splicer when it is first needed: most tunnels never do.
func (d *direction) canSplice(g *Group) bool {
	if d.splicer == nil && !d.noSplice && !g.noSplice {
		d.splicer = newSplicer(d.dst, d.src)
		d.noSplice = d.splicer == nil
	}
	return d.splicer != nil
}

// calm returns to a small buffer.
func (d *direction) calm(g *Group) {
	d.bulk, d.few = false, 0
	d.returnPipe(g)
}

// arm sets a read deadline while the direction is bulk, so that a connection that falls silent after a download
// does not keep what it borrowed, and clears it afterwards. Most calls do nothing.
func (d *direction) arm(t *Tunnel) {
	if !d.bulk && d.armed == 0 {
		return
	}
	if !d.bulk {
		d.armed = 0
		_ = d.src.SetReadDeadline(time.Time{})
		return
	}
	if now := t.now(); d.armed == 0 || now-d.armed > t.group.timing.quiet/2 {
		d.armed = now
		_ = d.src.SetReadDeadline(time.Now().Add(t.group.timing.quiet))
	}
}

// discard reads and drops what the source still sends, until its end or the tunnel's.
func (d *direction) discard(t *Tunnel) {
	d.sink.Store(true)
	_ = d.move(t) // why it ends changes nothing any more
}

func (d *direction) returnPipe(g *Group) {
	if d.pipe != nil {
		g.pipes.giveBack(d.pipe)
		d.pipe = nil
	}
}

func (d *direction) release(g *Group) {
	d.returnPipe(g)
	d.buf.release()
}
