// Package history keeps what numbers have been over a while: rings of a fixed length, one for each subject, within a bound of
// memory that holds whatever comes. It knows nothing of what it counts, does no I/O, and its one goroutine is its caller's.
package history

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Subject is what numbers are kept of: one of a kind, by name, within a group where names repeat.
type Subject struct{ Kind, Group, Name string }

// Column is one of a kind's numbers.
type Column struct {
	Name string
	// Counter says that the number only grows. Kept is its growth a second.
	Counter bool
}

// Kind is a sort of subjects that have the same columns.
type Kind struct {
	Name    string
	Columns []Column
}

// Options describes a history.
type Options struct {
	Step   time.Duration // from one point to the next
	Points int           // how many are kept
	Memory int64         // bytes that all rings take together at most; what has no room is not kept, see Window.Refused
	Kinds  []Kind
}

// overhead is what a ring takes beside its numbers, in bytes: the struct, its slices' headers, its share of the map. The
// names are the caller's strings.
const overhead = 320

// History is safe for concurrent use.
type History struct {
	step   time.Duration
	points int
	kinds  map[string][]Column

	mu      sync.RWMutex
	memory  int64 // the bound
	used    int64
	rings   map[Subject]*ring
	began   time.Time // of the first step
	at      time.Time // of the last one
	number  int       // of the last one; -1: there was none
	refused int       // subjects that had no room in it
	full    bool      // in this step nothing more can be forgotten
}

// ring is what is kept of a subject: for each column its points, that of step n at n modulo their number.
type ring struct {
	values  []float32
	counted []float64 // what counters were
	when    time.Time // they were so; zero: never
	last    int       // the step that it was recorded in
}

// New returns an empty history.
func New(o Options) *History {
	h := &History{step: o.Step, points: o.Points, memory: o.Memory, kinds: map[string][]Column{}, rings: map[Subject]*ring{}, number: -1}
	for _, k := range o.Kinds {
		h.kinds[k.Name] = k.Columns
	}
	return h
}

// Cost is how many bytes a subject of a kind takes.
func (h *History) Cost(kind string) int64 {
	const value, count = 4, 8
	return overhead + int64(len(h.kinds[kind]))*int64(h.points*value+count)
}

// SetMemory changes the bound, in bytes. What is too much is forgotten, the longest gone first.
func (h *History) SetMemory(bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.memory = bytes
	for h.used > h.memory && h.forgetOne(h.number+1) {
		continue
	}
}

// Sample is what a subject's numbers are, one for each column of its kind and in their order. NaN is one that is not known.
type Sample struct {
	Subject
	Numbers []float64
}

// Run takes a step at once, and then one every Step until ctx ends; after each it calls after. Without memory there are none.
func (h *History) Run(ctx context.Context, gather func() []Sample, after func()) {
	tick := time.NewTicker(h.step)
	defer tick.Stop()
	for {
		if h.Window().Memory > 0 {
			h.Take(time.Now(), gather())
			after()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Take is one step. Steps that were missed before it are points without a value, and so are subjects that are not among the
// samples. If there is not room for all, those that come first have it.
func (h *History) Take(now time.Time, samples []Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.number < 0 {
		h.began = now
	}
	n := int((now.Sub(h.began) + h.step/2) / h.step)
	if n <= h.number {
		return // the timer was early
	}
	for missed := max(h.number+1, n-h.points); missed < n; missed++ {
		for _, r := range h.rings {
			h.blank(r, missed)
		}
	}
	h.number, h.at, h.refused, h.full = n, now, 0, false
	for i := range samples {
		h.record(&samples[i])
	}
	for s, r := range h.rings {
		switch {
		case n-r.last >= h.points:
			h.forget(s)
		case r.last != n:
			h.blank(r, n)
			r.when = time.Time{}
		}
	}
}

func (h *History) blank(r *ring, n int) {
	for at := n % h.points; at < len(r.values); at += h.points {
		r.values[at] = float32(math.NaN())
	}
}

func (h *History) record(s *Sample) {
	columns := h.kinds[s.Kind]
	r := h.rings[s.Subject]
	if r == nil {
		if r = h.admit(s.Subject); r == nil {
			h.refused++
			return
		}
	}
	at, known := h.number%h.points, !r.when.IsZero()
	for i, c := range columns {
		v := s.Numbers[i]
		if c.Counter {
			v = math.NaN()
			if grown := s.Numbers[i] - r.counted[i]; known && grown >= 0 { // one that goes back has begun anew
				v = grown / h.at.Sub(r.when).Seconds()
			}
			r.counted[i] = s.Numbers[i]
		}
		r.values[i*h.points+at] = float32(v)
	}
	r.last, r.when = h.number, h.at
}

// admit makes a ring, if there is room or can be.
func (h *History) admit(s Subject) *ring {
	cost := h.Cost(s.Kind)
	for h.used+cost > h.memory {
		if h.full || !h.forgetOne(h.number-1) {
			h.full = true
			return nil
		}
	}
	columns := len(h.kinds[s.Kind])
	r := &ring{values: make([]float32, columns*h.points), counted: make([]float64, columns)}
	for i := range r.values {
		r.values[i] = float32(math.NaN())
	}
	h.rings[s] = r
	h.used += cost
	return r
}

// forgetOne forgets the subject that is gone for longest, of those last recorded before a step.
func (h *History) forgetOne(before int) bool {
	var oldest Subject
	last := before
	for s, r := range h.rings {
		if r.last < last {
			oldest, last = s, r.last
		}
	}
	if last == before {
		return false
	}
	h.forget(oldest)
	return true
}

func (h *History) forget(s Subject) {
	delete(h.rings, s)
	h.used -= h.Cost(s.Kind)
}

// Window says what a history has.
type Window struct {
	Step    time.Duration
	Number  int       // of the last step; -1: there was none
	At      time.Time // when that was
	Used    int64     // bytes
	Memory  int64     // that it may take
	Refused int       // subjects that had no room in the last step

	Unlisted int // subjects that Read was asked for and did not return
}

// Window returns what there is.
func (h *History) Window() Window {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.window()
}

func (h *History) window() Window {
	return Window{Step: h.step, Number: h.number, At: h.at, Used: h.used, Memory: h.memory, Refused: h.refused}
}

// Series is what a subject's numbers have been.
type Series struct {
	Subject
	Columns map[string]Values // the oldest first; all end with the last step
}

// Read returns the last points, all there are for 0, of the subjects that are wanted, ordered by kind, group and name; only some
// columns, if they are named. Of those subjects it returns so many at most, which are the first ones in that order.
func (h *History) Read(points, most int, want func(Subject) bool, columns ...string) (Window, []Series) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	have := min(h.number+1, h.points)
	if points <= 0 || points > have {
		points = have
	}
	var wanted []Subject
	for s := range h.rings {
		if want(s) {
			wanted = append(wanted, s)
		}
	}
	slices.SortFunc(wanted, Subject.compare)
	out := make([]Series, min(len(wanted), most))
	for i := range out {
		s := wanted[i]
		out[i] = Series{s, h.copyOf(h.rings[s], s.Kind, points, columns)}
	}
	w := h.window()
	w.Unlisted = len(wanted) - len(out)
	return w, out
}

func (h *History) copyOf(r *ring, kind string, points int, only []string) map[string]Values {
	out := map[string]Values{}
	for i, c := range h.kinds[kind] {
		if len(only) > 0 && !slices.Contains(only, c.Name) {
			continue
		}
		ring := r.values[i*h.points : (i+1)*h.points]
		list := make(Values, points)
		for j := range list {
			list[j] = ring[(h.number-points+1+j)%h.points]
		}
		out[c.Name] = list
	}
	return out
}
