package health

import (
	"fmt"
	"sync"
	"time"
)

// EjectorOptions says what sessions must see of a backend for it to be passed over for a while.
type EjectorOptions struct {
	ConnectFailures int           // failed connects in a row; 0: any number
	AnswerFailures  int           // requests in a row without a good answer; 0: any number
	FailureRate     float64       // share (0 to 1) of the attempts in Window that failed; 0: any share
	Window          time.Duration // of FailureRate
	MinAttempts     int           // in Window, for the share to mean something
	Time            time.Duration // of the first ejection; each further one takes twice as long
	MaxTime         time.Duration // of any
}

// off reports whether nothing ejects.
func (o *EjectorOptions) off() bool {
	return o.ConnectFailures == 0 && o.AnswerFailures == 0 && o.FailureRate == 0
}

// Verdict is what an Ejector makes of a failure.
type Verdict struct {
	Eject  bool
	Reason string // a sentence without a full stop, if Eject
	// Connects says that failed connects alone are the reason: one that succeeds would be evidence of the opposite.
	Connects bool
}

// Ejector counts what sessions see of one backend. How a session ends that worked never counts: callers report connects,
// and answers to requests that want one. A good connect does not excuse bad answers, nor the other way round: a backend
// that accepts everything and answers nothing is ejected.
//
// It is safe for concurrent use. Times are of one clock that never goes back, whatever its zero is.
type Ejector struct {
	mu        sync.Mutex
	options   EjectorOptions
	connects  int // failed ones in a row
	answers   int // bad ones in a row
	window    window
	probation bool

	level int           // how often the next ejection's time is doubled
	last  time.Duration // how long the last ejection is or was
	until time.Duration // when it is over, and since when a backend has behaved
}

// NewEjector returns an Ejector that has seen nothing.
func NewEjector(o EjectorOptions) *Ejector {
	return &Ejector{options: o, window: window{span: o.Window}}
}

// Configure changes what makes for an ejection. Rows of failures go on, as do a probation and how long ejections have grown. The
// share of failures is counted anew if its window has changed or nobody counted before, and everything if nothing ejected before
// or does now: successes are not seen then, and would be missing.
func (e *Ejector) Configure(o EjectorOptions) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.options.off() || o.off():
		e.forgetLocked()
		e.window = window{span: o.Window}
	case o.Window != e.options.Window || e.options.FailureRate == 0 || o.FailureRate == 0:
		e.window = window{span: o.Window}
	}
	e.options = o
}

// Connected says that a connect succeeded at now. Settled says that nothing more is asked of it, which ends a probation: of
// a request that wants an answer, that is what does.
func (e *Ejector) Connected(now time.Duration, settled bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.options.off() {
		return
	}
	e.connects = 0
	e.probation = e.probation && !settled
	if e.options.FailureRate > 0 {
		e.window.count(now, 1, 0)
	}
}

// ConnectFailed says that a connect failed at now.
func (e *Ejector) ConnectFailed(now time.Duration) Verdict {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.options.off() {
		return Verdict{}
	}
	e.connects++
	v := e.failedLocked(now, 1, row{e.connects, e.options.ConnectFailures, "failed connect", "failed connects"})
	v.Connects = v.Eject && e.answers == 0
	return v
}

// Answered says at now what came of a request: ok, or no good answer. The connect it came by was counted before.
func (e *Ejector) Answered(now time.Duration, ok bool) Verdict {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.options.off() {
		return Verdict{}
	}
	if ok {
		e.answers, e.probation = 0, false
		return Verdict{}
	}
	e.answers++
	return e.failedLocked(now, 0, row{e.answers, e.options.AnswerFailures, "request without a good answer", "requests without a good answer"})
}

// row is failures of one kind with none of its successes between.
type row struct {
	length, most int
	one, several string
}

func (r row) String() string {
	if r.length == 1 {
		return "a " + r.one
	}
	return fmt.Sprintf("%d %s in a row", r.length, r.several)
}

// failedLocked counts a failure, with as many attempts, and judges it.
func (e *Ejector) failedLocked(now time.Duration, attempts int, r row) Verdict {
	o := &e.options
	all, failed := 0, 0
	if o.FailureRate > 0 {
		e.window.count(now, attempts, 1)
		all, failed = e.window.attempts, e.window.fails
	}
	switch {
	case e.probation:
		return Verdict{Eject: true, Reason: "on probation, " + r.String()}
	case r.most > 0 && r.length >= r.most:
		return Verdict{Eject: true, Reason: r.String()}
	case o.FailureRate > 0 && all >= max(1, o.MinAttempts) && float64(failed) >= o.FailureRate*float64(all):
		return Verdict{Eject: true, Reason: fmt.Sprintf("%d of %d attempts failed in %v", failed, all, o.Window)}
	}
	return Verdict{}
}

// Eject begins an ejection at now and returns how long it takes: twice as long as the last one, up to MaxTime. For every
// time as long as that one that the backend has then behaved, one doubling is forgotten.
func (e *Ejector) Eject(now time.Duration) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	for e.level > 0 && now-e.until >= e.last {
		e.until += e.last
		e.last = max(1, e.last/2)
		e.level--
	}
	d := e.options.Time
	for range e.level {
		if d >= e.options.MaxTime/2 {
			d = e.options.MaxTime
			break
		}
		d *= 2
	}
	e.level++
	e.last, e.until = d, now+d
	e.forgetLocked()
	return d
}

// Return says that an ejection is over, and puts the backend on probation: its first failure ejects it again, its first
// success ends that.
func (e *Ejector) Return() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetLocked()
	e.probation = true
}

// Reset forgets what has been seen since the last ejection, and ends a probation.
func (e *Ejector) Reset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetLocked()
}

func (e *Ejector) forgetLocked() {
	e.connects, e.answers, e.probation = 0, 0, false
	e.window.clear()
}

// windowParts is in how many parts a window moves on.
const windowParts = 10

// window counts attempts and failures of the time behind it.
type window struct {
	span            time.Duration
	parts           [windowParts]struct{ attempts, failures int }
	newest          int64 // number of the newest part
	begun           bool  // newest means something
	attempts, fails int   // sums over the parts
}

func (w *window) count(now time.Duration, attempts, failures int) {
	w.advance(now)
	part := &w.parts[index(w.newest)]
	part.attempts += attempts
	part.failures += failures
	w.attempts += attempts
	w.fails += failures
}

// advance empties the parts that have become too old.
func (w *window) advance(now time.Duration) {
	n := int64(now) / max(1, int64(w.span)/windowParts)
	switch {
	case n-w.newest >= windowParts || !w.begun:
		w.clear()
		w.newest, w.begun = n, true
		return
	case n < w.newest:
		return // read before the lock, which others had first: it counts in the newest part
	}
	for ; w.newest < n; w.newest++ {
		part := &w.parts[index(w.newest+1)]
		w.attempts -= part.attempts
		w.fails -= part.failures
		part.attempts, part.failures = 0, 0
	}
}

func (w *window) clear() { *w = window{span: w.span, newest: w.newest, begun: w.begun} }

// index is the place of a part; numbers may be negative.
func index(n int64) int { return int((n%windowParts + windowParts) % windowParts) }
