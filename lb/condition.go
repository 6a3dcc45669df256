package lb

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"fairlead/health"
)

// condition is what keeps sessions from a backend; several may hold at a time. None: it is eligible.
type condition uint32

const (
	down      condition = 1 << iota // the checks say so
	unproven                        // no check has said anything yet, and it does not count as up until one has
	ejected                         // by what sessions have seen, for a while
	probation                       // after that: one session at a time, until one succeeds
	draining                        // by order: no new keys
	disabled                        // by order: nothing
	removed                         // it is not in the configuration, or what that names, any more
)

// sick are those that panic disregards: what is observed, and not what is ordered.
const sick = down | unproven | ejected | probation

func (b *Backend) conditions() condition { return condition(b.status.Load()) }
func (b *Backend) is(c condition) bool   { return b.conditions()&c != 0 }

// State is what a backend is, in one word: the strongest of its conditions.
type State uint8

// States of a backend.
//
//	           checks fail                     time is up              a session succeeds
//	up ───────────────────► down         ┌────────────────► probation ───────────────────► up
//	 ▲ ◄───────────────────              │                      │
//	 │      checks succeed               │   a session fails    │
//	 ├─────── sessions fail ──────► ejected ◄───────────────────┘
//	 │ enable
//	 └──────────── draining (drain), disabled (disable), removed (gone from the configuration)
//
// What is ordered and what is observed are independent: a drained backend is checked as well.
const (
	StateUp State = iota
	StateStarting
	StateDown
	StateEjected
	StateProbation
	StateDraining
	StateDisabled
	StateRemoved
)

var stateWords = [...]string{
	StateUp: "up", StateStarting: "starting", StateDown: "down", StateEjected: "ejected", StateProbation: "probation",
	StateDraining: "draining", StateDisabled: "disabled", StateRemoved: "removed",
}

// AllStates returns the states that there are.
func AllStates() []State {
	out := make([]State, len(stateWords))
	for i := range out {
		out[i] = State(i) //nolint:gosec // a handful
	}
	return out
}

// String returns the word used in logs, metrics and the admin API.
func (s State) String() string {
	if int(s) < len(stateWords) {
		return stateWords[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// State returns what b is now.
func (b *Backend) State() State { return b.conditions().state() }

func (c condition) state() State {
	for _, s := range [...]struct {
		condition
		State
	}{
		{removed, StateRemoved}, {disabled, StateDisabled}, {draining, StateDraining}, {down, StateDown},
		{unproven, StateStarting}, {ejected, StateEjected}, {probation, StateProbation},
	} {
		if c&s.condition != 0 {
			return s.State
		}
	}
	return StateUp
}

// record is what a pool notes of a backend. All of it is under the pool's lock.
type record struct {
	since     time.Time // of the state
	reason    string    // for it
	ejection  *time.Timer
	until     time.Time // of the ejection
	ejections uint64
	outSince  time.Time // when it began
	ordered   *int      // weight by order, until the list has another; changes under the pool's change as well
	deaf      bool      // failed connects alone were the reason
	watch     *health.Watch
	drain     *DrainProgress
	closing   *closer
	emptied   time.Duration // when a removed backend's last session ended, on clock; 0: it has not
}

// setLocked changes conditions, and sees to what follows. It reports whether anything changed.
func (p *Pool) setLocked(b *Backend, add, drop condition, reason string) bool {
	old := b.conditions()
	now := old&^drop | add
	if now == old {
		return false
	}
	b.status.Store(uint32(now))
	if now.state() != old.state() {
		b.since, b.reason = time.Now(), reason
	}
	if now == 0 && old&(down|probation|disabled|removed) != 0 && p.set.Load().SlowStart > 0 {
		b.rampAt.Store(int64(clock()))
	}
	p.surveyLocked()
	if now&^probation == 0 {
		p.queue.wake()
	}
	return true
}

// told writes the line of a transition.
func (p *Pool) told(level logLevel, message string, b *Backend, fields ...zap.Field) {
	if ce := p.log.Check(level, message); ce != nil {
		ce.Write(append([]zap.Field{
			zap.String(fieldPool, p.name), zap.String(fieldBackend, b.Name),
			zap.Stringer("state", b.State()), zap.Int64("active", b.active.Load()),
		}, fields...)...)
	}
}

// connected notes that a connect to b succeeded. settled says that this is all a session asks of it: others also need an
// answer, and what ends a probation is that.
func (p *Pool) connected(b *Backend, settled bool) {
	b.connects.Add(1)
	if settled {
		b.ejector.Connected(clock(), true)
		p.proven(b)
	}
}

// connectFailed notes that one failed that began at some time on clock.
func (p *Pool) connectFailed(b *Backend, began time.Duration, err error) {
	b.failures.Add(1)
	if int64(began) < b.readmitted.Load() {
		return // it began before the probation that it would fail
	}
	p.consider(b, b.ejector.ConnectFailed(clock()), err)
	if w := p.watchOf(b); w != nil {
		w.Soon()
	}
}

// answered notes what came of an Upgrade request: ok is any answer but a 5xx or none.
func (p *Pool) answered(b *Backend, ok bool, err error) {
	b.ejector.Connected(clock(), false)
	v := b.ejector.Answered(clock(), ok)
	if ok {
		p.proven(b)
		return
	}
	b.refusals.Add(1)
	p.consider(b, v, err)
}

// undecided notes that a session ended before it could tell: the next may try a backend on probation.
func (p *Pool) undecided(b *Backend) {
	if b.is(probation) {
		b.probeAt.Store(atOnce)
	}
}

// proven ends a probation.
func (p *Pool) proven(b *Backend) {
	if !b.is(probation) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.setLocked(b, 0, probation, "a session succeeded") {
		p.told(infoLevel, "backend returned", b, zap.String(fieldReason, "a session succeeded"))
	}
}

// consider ejects b if a verdict says so and the pool can do without.
func (p *Pool) consider(b *Backend, v health.Verdict, err error) {
	if !v.Eject {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.is(ejected|down|disabled|removed) || p.closed {
		return
	}
	if why := p.indispensableLocked(b); why != "" {
		if p.keepLogs.ready(logPause) {
			p.told(warnLevel, "backend kept although it fails", b, zap.String(fieldReason, v.Reason+"; "+why), zap.Error(err))
		}
		return
	}
	d := b.ejector.Eject(clock())
	b.ejections++
	b.outSince, b.deaf = time.Now(), v.Connects
	b.until = b.outSince.Add(d)
	b.ejection = time.AfterFunc(d, func() { p.ejectionOver(b) })
	p.setLocked(b, ejected, probation, v.Reason)
	p.told(warnLevel, "backend ejected", b, zap.String(fieldReason, v.Reason), zap.Duration("for", d), zap.Uint64("times", b.ejections), zap.Error(err))
}

// indispensableLocked says why b cannot be ejected; "": it can.
func (p *Pool) indispensableLocked(b *Backend) string {
	out, others, total := 0, 0, 0
	for _, m := range p.view.Load().members {
		total++
		switch {
		case m == b:
		case m.is(ejected):
			out++
		case m.conditions()&^probation == 0 && m.Options().Weight > 0:
			others++
		}
	}
	if others == 0 {
		return "no other is eligible"
	}
	if most := max(1, int(p.set.Load().Ejection.MaxShare*float64(total))); out >= most {
		return fmt.Sprintf("%d of %d are ejected already", out, total)
	}
	return ""
}

// ejectionOver puts b on probation.
func (p *Pool) ejectionOver(b *Backend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !b.is(ejected) || time.Now().Before(b.until) {
		return // it came back by other means, and may be out again
	}
	p.readmitLocked(b, "the time of the ejection is over")
}

func (p *Pool) readmitLocked(b *Backend, reason string) {
	b.ejector.Return()
	b.readmitted.Store(int64(clock()))
	b.probeAt.Store(atOnce)
	p.setLocked(b, probation, ejected, reason)
	p.told(infoLevel, "backend on probation", b, zap.String(fieldReason, reason))
}

// vouched notes that an active check that began at some time has succeeded. A backend that is ejected because connects
// failed need not wait then: it may have been restarted.
func (p *Pool) vouched(b *Backend, began time.Time) {
	if !b.is(ejected) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !b.is(ejected) || b.is(down) || !b.deaf || began.Before(b.outSince) {
		return // one that is down is pardoned when it is up
	}
	b.ejection.Stop()
	p.readmitLocked(b, "a check succeeded")
}

// pardonLocked ends an ejection, or a probation, whose reason is gone.
func (p *Pool) pardonLocked(b *Backend) condition {
	if b.ejection != nil {
		b.ejection.Stop()
	}
	b.ejector.Reset()
	return ejected | probation
}

// checkedLocked takes in what active checks have found: w's, unless others have taken their place meanwhile.
func (p *Pool) checkedLocked(b *Backend, w *health.Watch, e health.Event) {
	if p.closed || b.watch != w {
		return
	}
	if e.Up {
		reason := fmt.Sprintf("%d successful checks in a row", e.Streak)
		if e.First {
			reason = "the first check succeeded"
		}
		gone := down | unproven
		if b.is(down) {
			gone |= p.pardonLocked(b) // what sessions saw was that
		}
		if p.setLocked(b, 0, gone, reason) {
			p.told(infoLevel, "backend up", b, zap.String(fieldReason, reason), zap.Duration("took", e.Took))
		}
		p.stopClosingLocked(b, backendDown)
		p.endDrainedLocked(b) // which had given way
		return
	}
	reason := fmt.Sprintf("%d failed checks in a row", e.Streak)
	if e.First {
		reason = "the first check failed"
	}
	if p.setLocked(b, down, unproven, reason) {
		p.told(warnLevel, "backend down", b, zap.String(fieldReason, reason), zap.Error(e.Err))
		p.closeDownLocked(b)
	}
}

// watchOf returns b's checks, nil if there are none.
func (p *Pool) watchOf(b *Backend) *health.Watch {
	p.mu.Lock()
	defer p.mu.Unlock()
	return b.watch
}
