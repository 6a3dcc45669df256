package drive

import "time"

// tickEvery is how long a slot of the timeline is.
const tickEvery = time.Second

// Slot is a second of the run, the opening of the tunnels included.
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

// watch fills the timeline, tells how it goes, and ends tunnels that owe an answer for too long, until done.
func (r *run) watch(done <-chan struct{}, tell func(Slot)) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	var sums Slot
	for {
		select {
		case <-done:
			r.tick(&sums)
			return
		case <-ticker.C:
		}
		slot := r.tick(&sums)
		if tell != nil {
			tell(slot)
		}
		for _, s := range r.seats {
			s.overdue(time.Duration(r.scenario.Timeout))
		}
	}
}

// tick adds a slot; sums has what there was before it.
func (r *run) tick(sums *Slot) Slot {
	now := Slot{Opened: int(r.opens.Load()), Answers: int(r.ticks.Load()), Failures: r.failures.sum()}
	slot := Slot{At: r.since(time.Now()).Seconds(), Phase: r.phase()}
	for _, g := range r.groups {
		slot.Open += int(g.open.Load())
		now.Bytes += int(g.bytes.Load())
		now.Breaks += g.storm.count()
		slot.Worst = max(slot.Worst, milliseconds(time.Duration(g.worst.Swap(0))))
	}
	slot.Opened, slot.Answers, slot.Failures = now.Opened-sums.Opened, now.Answers-sums.Answers, now.Failures-sums.Failures
	slot.Bytes, slot.Breaks = now.Bytes-sums.Bytes, now.Breaks-sums.Breaks
	*sums = now
	r.slots = append(r.slots, slot)
	return slot
}
