package relay

import (
	"time"

	"fairlead/lb/sys"
	"fairlead/lb/termination"
)

// fate is what has become of a tunnel so far, and the rules by which its end is judged. It does no I/O and knows no
// clock, and all engines have the same.
type fate struct {
	cause termination.Cause // the first, other than a FIN
	fin   termination.Cause // the FIN that came first

	upFailed   bool // the backend takes no more bytes
	downEnded  bool // the backend gives no more bytes, and the client knows
	downBroken bool // and will take none either
	upSink     bool // what the client sends is dropped
}

// limits are the timeouts of a tunnel; 0 is none.
type limits struct{ idle, fin, linger time.Duration }

// record keeps a cause if it is the first, or explains it, and reports whether it did.
func (f *fate) record(c termination.Cause, err error) bool {
	if f.cause != termination.None && !f.explains(c, err) {
		return false
	}
	f.cause = c
	return true
}

// explains tells whether c is the RST behind what looked like a bare FIN: the kernel reports an RST once, and if
// a write takes the report the read gets an end of file. Which of the two comes here first is chance.
func (f *fate) explains(c termination.Cause, err error) bool {
	for _, s := range []*side{&clientSide, &backendSide} {
		if f.cause == s.truncated && c == s.reset {
			return sys.IsAborted(err)
		}
	}
	return false
}

// halfClose notes that a direction has ended, with this FIN unless the other side's came first.
func (f *fate) halfClose(fin termination.Cause) {
	if f.fin == termination.None {
		f.fin = fin
	}
}

// upFail notes that the backend takes no more bytes, and reports whether that is news: if its own direction had ended
// in order before, then so has the backend, and that is the cause.
func (f *fate) upFail(err error) bool {
	f.upFailed = true
	cause := backendSide.cause(err)
	if f.fin == backendSide.fin && cause == backendSide.reset && !sys.IsAborted(err) {
		return false
	}
	return f.record(cause, err)
}

// downFail says how a tunnel ends whose client takes no more bytes. If its own direction had ended in order before,
// then so has the client, and that is the cause.
func (f *fate) downFail(err error) termination.Cause {
	if f.clientLeft(err) {
		return clientSide.fin
	}
	return clientSide.cause(err)
}

// clientLeft tells whether a client that had ended its own direction has gone since.
func (f *fate) clientLeft(err error) bool {
	return f.fin == clientSide.fin && clientSide.cause(err) == clientSide.reset && !sys.IsAborted(err)
}

// broken tells that what reads as the backend's FIN may be an RST whose error a write has got.
func (f *fate) broken() bool { return f.cause.Side() == termination.Backend }

// half tells whether a direction has ended.
func (f *fate) half() bool { return f.fin != termination.None || f.upFailed }

// limit returns how long nothing may happen in the present state, and the cause of the end after that. 0 is no limit.
func (f *fate) limit(l limits) (time.Duration, termination.Cause) {
	limit, cause := l.idle, termination.IdleTimeout
	if f.half() && l.fin > 0 && (limit <= 0 || l.fin < limit) {
		limit, cause = l.fin, termination.FinTimeout
	}
	// Lingering: nothing can happen any more but the client's end, and there is a cause already, or a FIN.
	if f.downEnded && (f.upSink || f.upFailed || f.downBroken) && (limit <= 0 || l.linger < limit) {
		limit, cause = l.linger, f.fin
	}
	return limit, cause
}

// verdict is the cause of a tunnel that has ended.
func (f *fate) verdict() termination.Cause {
	if f.cause == termination.None {
		return f.fin
	}
	return f.cause
}
