package drive

import "time"

// tellEvery is how often somebody is told how it goes, and how often tunnels that owe an answer are looked for.
const tellEvery = time.Second

// slotEvery is how long a slot of the timeline is: short enough to see a short run's recovery, and never more than a second.
func (r *run) slotEvery() time.Duration {
	const shortest, slots = 100 * time.Millisecond, 300
	whole := time.Duration(r.scenario.Warmup + r.scenario.Duration)
	return min(max(whole/slots, shortest), tellEvery)
}

// Slot is a part of the run, the opening of the tunnels included.
type Slot struct {
	// At is when it ended, in seconds since the run began; Phase what went on then.
	At    float64 `json:"at_s"`
	Phase string  `json:"phase"`
	// Open is how many tunnels there are at its end; the rest is how many there were in it.
	Open     int     `json:"open"`
	Opened   int     `json:"opened"`
	Answers  int     `json:"answers"`
	Bytes    int     `json:"bytes"`
	Failures int     `json:"failures"`
	Breaks   int     `json:"breaks"`
	Worst    float64 `json:"worst_ms"`
}

// Phases.
const (
	phaseOpening = "opening"
	phaseWarmup  = "warmup"
	phaseMeasure = "measure"
	phaseClosing = "closing"
)

// Measured says that it is of the time that counts.
func (s Slot) Measured() bool { return s.Phase == phaseMeasure }

// watch fills the timeline, tells how it goes, and ends tunnels that owe an answer for too long, until done.
func (r *run) watch(done <-chan struct{}, tell func(Slot)) {
	ticker := time.NewTicker(r.slotEvery())
	defer ticker.Stop()
	var slots, told counter
	var last time.Duration
	for {
		select {
		case <-done:
			r.slots = append(r.slots, r.look(&slots))
			return
		case <-ticker.C:
		}
		slot := r.look(&slots)
		r.slots = append(r.slots, slot)
		told.worst = max(told.worst, slots.worst)
		now := r.since(time.Now())
		if now-last < tellEvery {
			continue
		}
		last = now
		if tell != nil {
			tell(r.count(&told))
		}
		told.worst = 0
		for _, s := range r.seats {
			s.overdue(time.Duration(r.scenario.Timeout))
		}
	}
}

// counter has what there was up to a slot, and the worst latency since the one before.
type counter struct {
	sums  Slot
	worst time.Duration
}

// look is count, with the worst latency since the last look.
func (r *run) look(c *counter) Slot {
	c.worst = 0
	for _, g := range r.groups {
		c.worst = max(c.worst, time.Duration(g.worst.Swap(0)))
	}
	return r.count(c)
}

// count gives what there was since the last count.
func (r *run) count(c *counter) Slot {
	now := Slot{Opened: int(r.opens.Load()), Answers: int(r.ticks.Load()), Failures: r.failures.sum()}
	slot := Slot{At: r.since(time.Now()).Seconds(), Phase: r.phase(), Worst: milliseconds(c.worst)}
	for _, g := range r.groups {
		slot.Open += int(g.open.Load())
		now.Bytes += int(g.bytes.Load())
		now.Breaks += g.storm.count()
	}
	before := c.sums
	slot.Opened, slot.Answers, slot.Failures = now.Opened-before.Opened, now.Answers-before.Answers, now.Failures-before.Failures
	slot.Bytes, slot.Breaks = now.Bytes-before.Bytes, now.Breaks-before.Breaks
	c.sums = now
	return slot
}
