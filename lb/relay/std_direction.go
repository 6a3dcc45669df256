package relay

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// fewBytes is the number of reads in a row that a small buffer could have taken before a direction returns to one.
const fewBytes = 8

// direction moves the bytes of one leg to the other: through a small buffer, and through a large one once a read
// filled the small one. It returns to small when reads get small again, or after a second without any.
//
// Only its goroutine touches it, except for the atomics.
type direction struct {
	src, dst Leg
	prefix   []byte
	moved    atomic.Uint64 // bytes written to dst
	sink     atomic.Bool   // dst is broken: drop what is read

	bulk  bool          // the last reads were large: uses a large buffer, and has a read deadline
	few   int           // reads in a row that would have fitted a small buffer
	armed time.Duration // when the read deadline was last set, on the tunnel's clock; 0: there is none
	buf   stdBuffer
	bound Bound
}

// move runs until the direction ends or the tunnel is stopped. It leaves nothing borrowed.
func (d *direction) move(t *stdTunnel) ending {
	defer d.buf.release()
	if len(d.prefix) > 0 {
		if err := d.write(t, d.prefix); err != nil {
			return ending{write: err}
		}
		d.prefix = nil
	}
	if d.bound != nil && !d.sink.Load() {
		if _, end := d.bound.Take(nil); end != nil {
			return ending{read: end}
		}
	}
	for {
		d.arm(t)
		// After arm: stop sets this first and the deadlines second, so that we see either the one or the other.
		if t.stopped.Load() {
			return ending{}
		}
		e := d.copy(t)
		switch {
		case errors.Is(e.read, os.ErrDeadlineExceeded):
			d.calm()
		case d.sink.Load() && (errors.Is(e.read, ErrOver) || errors.Is(e.read, ErrSurplus)):
			// dropped already
		case e.any():
			return e
		}
	}
}

// copy does one read and its write.
func (d *direction) copy(t *stdTunnel) ending {
	b := d.buf.useFor(d.bulk)
	n, rerr := d.src.Read(b)
	if n > 0 {
		d.adapt(n, n == len(b))
		if d.bound != nil {
			var end error
			if n, end = d.bound.Take(b[:n]); end != nil {
				rerr = end // what comes behind it is dropped, and so is how that ended
			}
		}
		if err := d.write(t, b[:n]); err != nil {
			return ending{write: err}
		}
	}
	return ending{read: rerr}
}

func (d *direction) write(t *stdTunnel, b []byte) error {
	if len(b) == 0 || d.sink.Load() {
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

// adapt chooses the buffer for the next bytes after n of them; full tells that there was no room for more.
func (d *direction) adapt(n int, full bool) {
	if d.bulk && n <= smallBuffer {
		if d.few++; d.few >= fewBytes {
			d.calm()
		}
		return
	}
	d.few = 0
	d.bulk = d.bulk || full
}

// calm returns to a small buffer.
func (d *direction) calm() { d.bulk, d.few = false, 0 }

// arm sets a read deadline while the direction is bulk, so that a connection that falls silent after a download
// does not keep what it borrowed, and clears it afterwards. Most calls do nothing.
func (d *direction) arm(t *stdTunnel) {
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
func (d *direction) discard(t *stdTunnel) {
	d.sink.Store(true)
	_ = d.move(t) // why it ends changes nothing any more
}
