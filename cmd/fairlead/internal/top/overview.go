package top

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"fairlead/lb/admin"
)

// row is a pool, or a backend of one.
type row struct {
	place    Place
	pool     *admin.Pool
	backend  *admin.Backend // nil: the row is the pool's
	state    string
	gravity  int
	tone     tone
	sessions int64
	failures uint64
	rates    rates
	folded   bool // the pool's backends are not shown
}

// Titles of columns that order.
const (
	byName     = "NAME"
	byState    = "STATE"
	bySessions = "SESSIONS"
	byNew      = "NEW/S"
	byUp       = "UP/S"
	byDown     = "DOWN/S"
	byFails    = "ERR/S"
	byErrors   = "ERRORS"
)

var overviewOrders = []string{byName, byState, bySessions, byNew, byUp, byDown, byFails, byErrors}

// ways are how the overview is shown.
type ways struct {
	flat   bool // backends of all pools in one list
	folded map[string]bool
}

// overview makes the rows of a reading: pools, each with its backends below it, or backends only.
func overview(r *Reading, per map[Place]rates, l *list, w ways) []row {
	of := map[string][]row{}
	sums := map[string]row{}
	for i := range r.Backends {
		b := &r.Backends[i]
		x := backendRow(b, per[Place{b.Pool, b.Name}])
		sum := sums[b.Pool]
		sum.rates.add(x.rates)
		sum.failures += x.failures
		sums[b.Pool] = sum
		if has(l.filter, b.Pool, b.Name, x.state, b.Reason, strings.Join(b.Addresses, "\n")) {
			of[b.Pool] = append(of[b.Pool], x)
		}
	}
	name := func(x *row) string { return x.place.String() }
	var heads, out []row
	for i := range r.Pools {
		p := &r.Pools[i]
		if len(of[p.Name]) > 0 || has(l.filter, p.Name) {
			heads = append(heads, poolRow(p, sums[p.Name], w.folded[p.Name]))
		}
	}
	if w.flat {
		for _, h := range heads {
			out = append(out, of[h.place.Pool]...)
		}
		sorted(out, l, compareRows, name)
		return out
	}
	sorted(heads, l, compareRows, name)
	for _, h := range heads {
		out = append(out, h)
		if !h.folded {
			below := of[h.place.Pool]
			sorted(below, l, compareRows, name)
			out = append(out, below...)
		}
	}
	return out
}

func backendRow(b *admin.Backend, r rates) row {
	state := b.State
	if b.Drain != nil && b.Drain.Done != nil && state == "draining" {
		state = "drained"
	}
	x := row{
		place: Place{b.Pool, b.Name}, backend: b, state: state, gravity: gravity(state), tone: toneOf(state),
		sessions: b.Sessions, failures: failures(b), rates: r,
	}
	if b.Share < 1 && b.State == "up" {
		x.state = fmt.Sprintf("up %.0f%%", 100*b.Share) // percent
	}
	return x
}

func poolRow(p *admin.Pool, sum row, folded bool) row {
	x := row{
		place: Place{Pool: p.Name}, pool: p, state: fmt.Sprintf("%d/%d", p.Eligible, p.Backends), tone: good,
		sessions: p.Sessions, failures: sum.failures, rates: sum.rates, folded: folded,
	}
	switch {
	case p.Panic || p.Eligible == 0:
		x.tone, x.gravity = bad, gravity("down")
	case p.Eligible < p.Backends:
		x.tone, x.gravity = careful, gravity("probation")
	}
	return x
}

func compareRows(a, b *row, by string) int {
	switch by {
	case byState:
		return cmp.Compare(b.gravity, a.gravity)
	case bySessions:
		return cmp.Compare(b.sessions, a.sessions)
	case byNew:
		return cmp.Compare(b.rates.fresh, a.rates.fresh)
	case byUp:
		return cmp.Compare(b.rates.up, a.rates.up)
	case byDown:
		return cmp.Compare(b.rates.down, a.rates.down)
	case byFails:
		return cmp.Compare(b.rates.fails, a.rates.fails)
	case byErrors:
		return cmp.Compare(b.failures, a.failures)
	}
	return natural(a.place.String(), b.place.String())
}

// overviewColumns are those of the overview. The first ones fill 80 cells.
func overviewColumns() []column {
	return []column{
		{title: byName, width: 20, most: 64},
		{title: byState, width: 9},
		{title: bySessions, width: 9, right: true},
		{title: byNew, width: 6, right: true},
		{title: byUp, width: 7, right: true, rank: 2},
		{title: byDown, width: 7, right: true, rank: 1},
		{title: byFails, width: 6, right: true},
		{title: byErrors, width: 7, right: true, rank: 3},
		{title: "FOR", width: 6, right: true, rank: 4},
		{title: "WEIGHT", width: 6, right: true, rank: 6},
		{title: "MAX", width: 7, right: true, rank: 8},
		{title: "CHECK", width: 8, right: true, rank: 7},
		{title: " ADDRESS", width: 22, most: 31, rank: 9},
		{title: " NOTE", width: 20, most: 100, rank: 5},
	}
}

// cells of a row in the order of the columns.
func (x *row) cells(now time.Time, flat bool) []cell {
	fails := plain
	if x.rates.fails > 0 {
		fails = bad
	}
	known := x.rates.known
	out := []cell{
		{text: x.name(flat)}, {x.state, x.tone}, {text: count(x.sessions)}, {text: perSecond(known, x.rates.fresh)}, {text: perSecond(known, x.rates.up)},
		{text: perSecond(known, x.rates.down)}, {perSecond(known, x.rates.fails), fails}, {text: amount(float64(x.failures))},
	}
	if b := x.backend; b != nil {
		most := "-"
		if b.MaxConnections > 0 {
			most = count(b.MaxConnections)
		}
		return append(out, cell{text: span(now.Sub(b.Since))}, cell{text: count(b.Weight)}, cell{text: most}, checkCell(b),
			cell{text: " " + named(strings.Join(b.Addresses, " "))}, cell{" " + note(b), quiet})
	}
	out[0].tone = strong
	return append(out, cell{}, cell{}, cell{}, cell{}, cell{}, cell{" " + poolNote(x.pool), careful})
}

func (x *row) name(flat bool) string {
	switch {
	case flat:
		return named(x.place.String())
	case x.backend != nil:
		return "  " + named(x.place.Backend)
	case x.folded:
		return "▸ " + named(x.place.Pool)
	}
	return "▾ " + named(x.place.Pool)
}

func checkCell(b *admin.Backend) cell {
	c := b.Check
	switch {
	case c == nil || c.At == nil:
		return cell{text: "-"}
	case c.Error != "":
		return cell{"failed", bad}
	}
	return cell{text: brief(time.Duration(c.Took))}
}

// brief is a short time of few cells.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String() // four digits
	}
	return d.Round(10 * time.Millisecond).String() // four digits
}

// note is what is to be said of a backend in a few words.
func note(b *admin.Backend) string {
	var parts []string
	if b.Backup {
		parts = append(parts, "backup")
	}
	if d := b.Drain; d != nil && d.Done == nil {
		parts = append(parts, fmt.Sprintf("%s of %s left", count(b.Sessions), count(max(d.Open, b.Sessions))))
	}
	if b.Reason != "" {
		parts = append(parts, named(b.Reason))
	}
	if c := b.Check; c != nil && c.Error != "" {
		parts = append(parts, "check: "+named(c.Error))
	}
	return strings.Join(parts, "; ")
}

func poolNote(p *admin.Pool) string {
	if p.Backends == 0 {
		return "no backends"
	}
	var parts []string
	if p.Panic {
		parts = append(parts, "panic: all are tried")
	}
	if p.Backups {
		parts = append(parts, "backups in use")
	}
	if p.Queue.Waiting > 0 {
		parts = append(parts, count(p.Queue.Waiting)+" waiting")
	}
	return strings.Join(parts, "; ")
}
