package daemon

import (
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"fairlead/lb"
	"fairlead/lb/admin"
	"fairlead/lb/termination"
)

// attic is what the configuration does not have any more, and sessions still do. What is named again comes back from here as
// it was.
type attic struct {
	frontends []*lb.Frontend
	pools     []*formerPool

	departed admin.Departed // what frontends had counted that are not even here any more
}

// formerPool is a pool that the configuration does not name any more. As long as a session may still come to it, one that
// arrived by the configuration before, it goes on; then it takes nothing new, and with its last session it is gone.
type formerPool struct {
	*lb.Pool
	retired bool
}

func (a *attic) poolList() []*lb.Pool {
	out := make([]*lb.Pool, len(a.pools))
	for i, p := range a.pools {
		out[i] = p.Pool
	}
	return out
}

func (a *attic) pool(name string) *lb.Pool {
	if p := byName(a.pools, name); p != nil {
		return p.Pool
	}
	return nil
}

func (a *attic) frontend(name string) *lb.Frontend {
	return byName(a.frontends, name)
}

func (a *attic) takePool(p *lb.Pool) {
	a.pools = slices.DeleteFunc(a.pools, func(f *formerPool) bool { return f.Pool == p })
}

func (a *attic) takeFrontend(f *lb.Frontend) {
	a.frontends = slices.DeleteFunc(a.frontends, func(other *lb.Frontend) bool { return other == f })
}

// Departed returns what those have counted that are gone.
func (d *Daemon) Departed() admin.Departed {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.attic.departed
}

// atticEvery is how often the attic is looked through while there is something in it.
const atticEvery = 250 * time.Millisecond

func (d *Daemon) wakeAttic() {
	select {
	case d.wakes <- struct{}{}:
	default:
	}
}

// clearAttic forgets what has no sessions any more, until ctx ends.
func (d *Daemon) clearAttic(ctx context.Context) {
	tick := time.NewTimer(atticEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wakes:
		case <-tick.C:
		}
		d.changing.Lock()
		if !d.ended && d.sweep() {
			tick.Reset(atticEvery)
		}
		d.changing.Unlock()
	}
}

// sweep looks through the attic once, and reports whether something is left there.
func (d *Daemon) sweep() bool {
	all := d.Frontends()
	var frontends []*lb.Frontend
	departed := d.attic.departed
	for _, f := range d.attic.frontends {
		if f.Open() > 0 || f.Arriving() {
			frontends = append(frontends, f)
			continue
		}
		f.Close()
		departed.Arrived += f.Arrived()
		for _, c := range termination.All() {
			departed.Ended[c] += f.EndedBy(c)
		}
		d.log.Info("listener gone with its last session", zap.String("listener", f.Name()))
	}
	var pools []*formerPool
	for _, p := range d.attic.pools {
		used := slices.ContainsFunc(all, func(f *lb.Frontend) bool { return f.Uses(p.Pool) })
		if !used && !p.retired {
			p.Retire()
			p.retired = true
		}
		if used || p.Open() > 0 {
			pools = append(pools, p)
			continue
		}
		p.Close()
		for _, f := range all {
			f.Forget(p.Pool)
		}
		d.log.Info("pool gone with its last session", zap.String("pool", p.Name()))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attic = attic{frontends, pools, departed}
	return len(frontends)+len(pools) > 0
}
