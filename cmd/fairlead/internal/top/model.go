package top

import (
	"context"
	"maps"
	"time"

	tea "charm.land/bubbletea/v2"

	"fairlead/lb/admin"
)

// screen is what fills the window.
type screen uint8

const (
	overviewScreen screen = iota
	listingScreen         // the sessions of a place
	sessionScreen         // one of them
)

// Messages.
type (
	tickMsg    struct{}
	readingMsg struct {
		Reading
		err error
	}
	sessionsMsg struct {
		query Query
		list  admin.Sessions
		err   error
	}
	orderMsg struct {
		said string
		err  error
	}
)

// remark is a line for the user until the next key.
type remark struct {
	text string
	tone tone
}

// Model is the state of the view. Its Update is a function of it and of a message; what it holds by reference is replaced and never changed.
type Model struct {
	work    *work
	source  Source
	options Options
	clock   func() time.Time

	width, height int
	now           time.Time

	asking  bool // a reading is on its way
	askedAt time.Time
	reading *Reading // nil: there was none yet
	rates   map[Place]rates
	lost    error // why the last reading failed

	scope      Place // of the listing
	listing    *listing
	flows      map[string]flow
	listingAt  time.Time // when it was asked for last
	listAsking bool
	listLost   error
	last       tunnel // what was seen last of the session that is shown alone
	lastAt     time.Time
	gone       bool // and it has ended

	screen   screen
	ways     ways
	help     bool
	typing   bool // the filter
	main     list
	sessions list
	rows     []row
	tunnels  []tunnel

	pending  *order // waits for a yes
	ordering bool   // an order is on its way
	remark   remark

	content string // what is on the screen
	fault   error  // which has ended the view
}

// NewModel makes a view of a source. clock tells the time.
func NewModel(w *work, source Source, o Options, clock func() time.Time) Model {
	return Model{
		work: w, source: source, options: o, clock: clock, now: clock(),
		main: list{by: byName}, sessions: list{by: byAge},
	}
}

// Init starts the ticks.
func (m Model) Init() tea.Cmd { return m.tick() }

// tick waits for the next look at the clock.
func (m *Model) tick() tea.Cmd {
	d := min(m.options.Interval, time.Second)
	return m.work.do(func(ctx context.Context) tea.Msg {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return tickMsg{}
		case <-ctx.Done():
			return nil
		}
	})
}

// Update takes a message.
func (m Model) Update(msg tea.Msg) (next tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			m.fault = fault(r)
			next, cmd = m, tea.Quit
		}
	}()
	m.now = m.clock()
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tickMsg:
		cmd = tea.Batch(m.ask(), m.askSessions(), m.tick())
	case readingMsg:
		m.asking, m.lost = false, msg.err
		if msg.err == nil {
			m.take(msg.Reading)
		}
	case sessionsMsg:
		m.takeSessions(msg)
	case orderMsg:
		m.ordering = false
		m.remark = remark{msg.said, good}
		if msg.err != nil {
			m.remark = remark{named(msg.err.Error()), bad}
		}
	case tea.PasteMsg:
		if m.typing {
			m.edit(m.list().filter + msg.Content)
		}
	case tea.KeyPressMsg:
		cmd = m.press(msg)
	case faultMsg:
		m.fault, cmd = msg.err, tea.Quit
	}
	m.settle()
	m.content = m.draw()
	return m, cmd
}

// ask asks for a reading, at most once in an interval and one at a time.
func (m *Model) ask() tea.Cmd {
	if m.asking || m.now.Sub(m.askedAt) < m.options.Interval {
		return nil
	}
	m.asking, m.askedAt = true, m.now
	source, clock := m.source, m.clock
	return m.work.do(func(ctx context.Context) tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		r, err := source.Read(ctx)
		r.At = clock()
		return readingMsg{r, err}
	})
}

// askSessions does the same for sessions, while some are shown.
func (m *Model) askSessions() tea.Cmd {
	if m.screen == overviewScreen || m.listAsking || m.now.Sub(m.listingAt) < m.options.Interval {
		return nil
	}
	m.listAsking, m.listingAt = true, m.now
	source, q := m.source, m.query()
	return m.work.do(func(ctx context.Context) tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		list, err := source.Sessions(ctx, q)
		return sessionsMsg{q, list, err}
	})
}

// query is what is to be asked about sessions: the one that is shown alone, or those that the order puts first.
func (m *Model) query() Query {
	if m.screen == sessionScreen {
		return Query{Of: m.scope, ID: m.last.ID}
	}
	q := Query{Of: m.scope, Order: rankOf(m.sessions.by)}
	if m.sessions.reverse {
		q.Order = "-" + q.Order
	}
	return q
}

// take takes a reading.
func (m *Model) take(r Reading) {
	m.rates = ratesBetween(m.reading, &r)
	m.reading = &r
}

func (m *Model) takeSessions(msg sessionsMsg) {
	m.listAsking = false
	now := m.query()
	if m.screen == overviewScreen || msg.query.Of != now.Of || msg.query.ID != now.ID {
		return // the user has gone on meanwhile
	}
	if m.listLost = msg.err; msg.err != nil {
		return
	}
	v := &listing{of: msg.query, at: m.now, list: msg.list}
	flows := flowsBetween(m.listing, v)
	if m.screen == listingScreen {
		m.listing, m.flows = v, flows
		return
	}
	if m.gone = len(msg.list.Sessions) == 0; !m.gone {
		s := msg.list.Sessions[0]
		m.last = tunnel{s, flowBetween(&m.last.Session, &s, m.now.Sub(m.lastAt))}
	}
	m.lastAt = m.now
}

// settle makes the rows again and keeps the cursors at theirs.
func (m *Model) settle() {
	m.rows, m.tunnels = nil, nil
	if m.reading != nil {
		m.rows = overview(m.reading, m.rates, &m.main, m.ways)
	}
	if m.listing != nil {
		m.tunnels = tunnels(m.listing, m.flows, &m.sessions)
	}
	l := m.list()
	l.settle(m.keys(), m.room())
}

// list is that of the screen.
func (m *Model) list() *list {
	if m.screen == overviewScreen {
		return &m.main
	}
	return &m.sessions
}

// keys name the rows of the list of the screen.
func (m *Model) keys() []string {
	var keys []string
	if m.screen == overviewScreen {
		for i := range m.rows {
			p := m.rows[i].place
			keys = append(keys, p.Pool+"\x00"+p.Backend)
		}
		return keys
	}
	for i := range m.tunnels {
		keys = append(keys, m.tunnels[i].ID)
	}
	return keys
}

// row is the one under the cursor.
func (m *Model) row() *row {
	if m.main.index < len(m.rows) {
		return &m.rows[m.main.index]
	}
	return nil
}

// tunnel is the one under the cursor, or the one that is shown alone.
func (m *Model) tunnel() *tunnel {
	switch {
	case m.screen == sessionScreen:
		return &m.last
	case m.sessions.index < len(m.tunnels):
		return &m.tunnels[m.sessions.index]
	}
	return nil
}

// fold shows or hides the backends of the pool under the cursor.
func (m *Model) fold() {
	r := m.row()
	if r == nil || m.ways.flat {
		return
	}
	folded := maps.Clone(m.ways.folded)
	if folded == nil {
		folded = map[string]bool{}
	}
	folded[r.place.Pool] = !folded[r.place.Pool]
	m.ways.folded = folded
	m.main.key, m.main.moved = r.place.Pool+"\x00", true // a backend's row may have gone
}

// open goes a step further in.
func (m *Model) open() tea.Cmd {
	switch r, t := m.row(), m.tunnel(); {
	case m.screen == overviewScreen && r != nil:
		m.screen, m.scope = listingScreen, r.place
		m.listing, m.flows, m.listLost = nil, nil, nil
		m.sessions = list{by: m.sessions.by, reverse: m.sessions.reverse}
		return m.askSessions()
	case m.screen == listingScreen && t != nil:
		m.screen, m.last, m.lastAt, m.gone = sessionScreen, *t, m.listing.at, false
	}
	return nil
}

// back goes a step back: a filter is given up first.
func (m *Model) back() {
	switch {
	case m.screen == sessionScreen:
		m.screen, m.listLost = listingScreen, nil
	case m.list().filter != "":
		m.list().filter = ""
	case m.screen == listingScreen:
		m.screen, m.listing, m.listLost = overviewScreen, nil, nil
	}
}
