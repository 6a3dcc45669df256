package top

import (
	"context"
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// deed is what an order does.
type deed uint8

const (
	drainBackend deed = iota
	enableBackend
	killBackend // all its sessions
	killSession
)

// order is one that waits for a yes. It holds whom it is about, so rows may move meanwhile.
type order struct {
	deed     deed
	place    Place
	id       string // of a session
	question string
	meaning  string
}

// consider asks the user about an order for what is under the cursor.
func (m *Model) consider(d deed) {
	if m.ordering {
		m.remark = remark{"the last order has no answer yet", careful}
		return
	}
	if m.screen != overviewScreen {
		m.considerSession(d)
		return
	}
	r := m.row()
	switch {
	case r == nil:
		return
	case r.backend == nil:
		m.remark = remark{"that is for a backend: move to one below its pool", careful}
		return
	}
	o := &order{deed: d, place: r.place}
	name, open := named(r.place.String()), count(r.sessions)
	switch d {
	case drainBackend:
		o.question = fmt.Sprintf("Drain backend %s?", name)
		o.meaning = fmt.Sprintf("It takes nothing new but of clients that have a tunnel there. Its %s sessions end by themselves; `e` undoes it.", open)
	case enableBackend:
		o.question = fmt.Sprintf("Enable backend %s?", name)
		o.meaning = "It undoes drain and disable: new clients come again, if it is well."
	case killBackend, killSession:
		o.question = fmt.Sprintf("End all %s sessions on backend %s now?", open, name)
		o.meaning = "Their clients are cut off and come back at the same moment. The command `fairlead kill` can do it at a pace."
	}
	m.pending = o
}

// considerSession is consider where sessions are shown: there one can be ended.
func (m *Model) considerSession(d deed) {
	t := m.tunnel()
	switch {
	case d != killBackend:
		m.remark = remark{"drain and enable are for backends: `esc` goes back to them", careful}
		return
	case t == nil:
		return
	}
	m.pending = &order{
		deed: killSession, place: Place{t.Pool, t.Backend}, id: t.ID,
		question: fmt.Sprintf("End the session of %s on backend %s now?", sent(t.Client), named(t.Pool+"/"+t.Backend)),
		meaning:  "The client is cut off. Session " + sent(t.ID) + ".",
	}
}

// decide takes a key as the answer: only a y is a yes, and what is neither yes nor no is nothing.
func (m *Model) decide(k tea.KeyPressMsg) tea.Cmd {
	o := m.pending
	switch {
	case key.Matches(k, keyYes) && !m.tooSmall():
		m.pending, m.ordering = nil, true
		m.remark = remark{"…", quiet}
		return m.give(o)
	case key.Matches(k, keyNo):
		m.pending = nil
		m.remark = remark{"left as it is", quiet}
	}
	return nil
}

// give gives an order to the process.
func (m *Model) give(o *order) tea.Cmd {
	source := m.source
	return m.work.do(func(ctx context.Context) tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		said, err := o.carryOut(ctx, source)
		return orderMsg{said, err}
	})
}

func (o *order) carryOut(ctx context.Context, s Source) (said string, err error) {
	n, name := 0, named(o.place.String())
	switch o.deed {
	case drainBackend:
		return "backend " + name + ": draining", s.Drain(ctx, o.place)
	case enableBackend:
		return "backend " + name + ": enabled", s.Enable(ctx, o.place)
	case killBackend:
		n, err = s.KillAll(ctx, o.place)
	case killSession:
		n, err = s.KillOne(ctx, o.id)
	}
	switch n {
	case 0:
		return "there was nothing left to end", err
	case 1:
		return "1 session ended", err
	}
	return count(n) + " sessions ended", err
}
