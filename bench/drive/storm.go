package drive

import (
	"maps"
	"sync"
	"time"

	"fairlead/bench/load"
)

// storm is what is known of tunnels that broke and came back.
type storm struct {
	mu      sync.Mutex
	breaks  int           // guarded by mu, as all that follows
	first   time.Duration // when the first broke, since the run began
	away    int           // how many are not back
	whole   time.Duration // when none was away any more, for the last time
	same    int
	other   int
	unknown int
	home    int            // how many are at the end of the measured time where they were first
	homeOf  int            // of how many
	tries   map[string]int // that failed, by what they met
	outages *load.Latencies
}

func newStorm() *storm {
	return &storm{tries: make(map[string]int), outages: load.NewLatencies()}
}

func (s *storm) broke(at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.breaks == 0 {
		s.first = at
	}
	s.breaks++
	s.away++
}

// back is called when one has come back, after an outage.
func (s *storm) back(at, outage time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away--; s.away == 0 {
		s.whole = at
	}
	s.outages.Record(outage)
}

func (s *storm) tried(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[what]++
}

// found compares the backend of a new tunnel with that of the one before.
func (s *storm) found(before, now string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case before == "" || now == "":
		s.unknown++
	case before == now:
		s.same++
	default:
		s.other++
	}
}

// settle looks at where seats are.
func (s *storm) settle(seats []*seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seat := range seats {
		home, known := seat.who.atHome()
		if !known || seat.current() == nil {
			continue
		}
		s.homeOf++
		if home {
			s.home++
		}
	}
}

// StormResult is what became of tunnels that broke, or were opened anew after their time.
type StormResult struct {
	// Breaks is how many broke; RecoveredMS is from the first of them until none was missing, for the last time, in
	// milliseconds; -1: some never came back.
	Breaks      int     `json:"breaks"`
	RecoveredMS float64 `json:"recovered_ms"`
	// FirstMS is when the first broke, since the run began.
	FirstMS float64 `json:"first_ms"`
	// Outages are the times that single clients were without a tunnel.
	Outages load.Summary `json:"outages"`
	// Tries are attempts that failed, by what they met.
	Tries map[string]int `json:"failed_tries,omitempty"`
	// Same and Other are how many new tunnels came to the backend of the one before, and to another; Unknown: it did not say.
	Same    int `json:"same_backend"`
	Other   int `json:"other_backend"`
	Unknown int `json:"unknown_backend"`
	// Home is how many of HomeOf open tunnels are at the end of the measured time at the first backend of their identity.
	Home   int `json:"home"`
	HomeOf int `json:"home_of"`
}

// result is nil if nothing broke and nothing was opened anew.
func (s *storm) result() *StormResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.breaks+s.same+s.other+s.unknown == 0 {
		return nil
	}
	r := &StormResult{
		Breaks: s.breaks, FirstMS: milliseconds(s.first), Outages: s.outages.Summary(),
		Tries: maps.Clone(s.tries), Same: s.same, Other: s.other, Unknown: s.unknown,
		Home: s.home, HomeOf: s.homeOf,
	}
	switch {
	case s.breaks == 0:
	case s.away > 0:
		r.RecoveredMS = -1
	default:
		r.RecoveredMS = milliseconds(s.whole - s.first)
	}
	return r
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }

// count is how many broke.
func (s *storm) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.breaks
}
