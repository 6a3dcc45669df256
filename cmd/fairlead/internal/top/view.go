package top

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// The least window that has room for what must be seen.
const (
	leastWidth  = 60
	leastHeight = 12
)

// Lines that are not rows: above the table with its titles, and below it.
const (
	linesAbove = 4
	linesBelow = 3
)

func (m *Model) tooSmall() bool { return m.width < leastWidth || m.height < leastHeight }

// room is how many rows there is place for.
func (m *Model) room() int { return max(1, m.height-linesAbove-len(m.below())) }

// View gives what Update has drawn: there a fault in drawing is caught as any other.
func (m Model) View() tea.View {
	v := tea.NewView(m.content)
	v.AltScreen = true
	return v
}

func (m *Model) draw() string {
	if m.width <= 0 || m.height <= 0 {
		return ""
	}
	return strings.Join(m.lines(), "\n")
}

// lines are as many as the window has, none wider than it.
func (m *Model) lines() []string {
	var lines []string
	switch {
	case m.tooSmall():
		lines = []string{
			fmt.Sprintf("The window has %dx%d.", m.width, m.height), fmt.Sprintf("fairlead top needs %dx%d.", leastWidth, leastHeight), "q quits.",
		}
	case m.help:
		lines = m.helpLines()
	default:
		below := m.below()
		lines = append(m.above(), m.body()...)
		for len(lines) < m.height-len(below) {
			lines = append(lines, "")
		}
		lines = append(lines[:m.height-len(below)], below...)
	}
	lines = lines[:min(len(lines), m.height)]
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, m.width, "")
	}
	return lines
}

// above is the process, its sums, and what is shown.
func (m *Model) above() []string {
	if m.reading == nil {
		return []string{paint(strong, " fairlead"), "", " " + m.subject()}
	}
	s := &m.reading.Status
	left := " fairlead " + named(s.Version) + " at " + named(m.options.Address)
	right := fmt.Sprintf("up %s, every %s ", span(time.Duration(s.Uptime)), m.options.Interval)
	dye := quiet
	if m.lost != nil {
		right, dye = fmt.Sprintf("no answer, numbers are %s old ", span(m.now.Sub(m.reading.At))), bad
	}
	left = fit(left, max(0, m.width-ansi.StringWidth(right)-1), false)
	return []string{paint(strong, left) + " " + paint(dye, right), " " + m.sums(), " " + m.subject()}
}

// sums are those of the whole process, as many as there is room for.
func (m *Model) sums() string {
	s := &m.reading.Status
	var all rates
	for _, r := range m.rates {
		all.add(r)
	}
	eligible := good
	if s.Eligible < s.Backends {
		eligible = careful
	}
	if s.Eligible == 0 || len(s.Panic) > 0 {
		eligible = bad
	}
	parts := []cell{
		{text: count(s.Sessions) + " sessions"},
		{fmt.Sprintf("%d/%d eligible", s.Eligible, s.Backends), eligible},
		{text: perSecond(all.known, all.fresh) + " new/s"},
		{text: perSecond(all.known, all.up) + "B/s up"},
		{text: perSecond(all.known, all.down) + "B/s down"},
		{perSecond(all.known, all.fails) + " errors/s", plain},
	}
	if all.fails > 0 {
		parts[5].tone = bad
	}
	if len(s.Panic) > 0 {
		parts = append(parts, cell{"panic: " + named(strings.Join(s.Panic, ", ")), bad})
	}
	if s.Waiting > 0 {
		parts = append(parts, cell{count(s.Waiting) + " waiting", careful})
	}
	return m.parts(parts, "  ", m.width-1)
}

// parts joins texts as long as there is room.
func (m *Model) parts(parts []cell, between string, width int) string {
	var b strings.Builder
	used := 0
	for i, p := range parts {
		gap := between
		if i == 0 {
			gap = ""
		}
		w := ansi.StringWidth(gap + p.text)
		if used+w > width {
			break
		}
		used += w
		b.WriteString(gap + paint(p.tone, p.text))
	}
	return b.String()
}

// subject says what the rows are, or why they are not up to date.
func (m *Model) subject() string {
	switch {
	case m.lost != nil:
		return m.trouble(m.lost)
	case m.reading == nil:
		return "asking…"
	case m.screen == overviewScreen:
		what := "pools and backends"
		if m.ways.flat {
			what = "backends of all pools"
		}
		return paint(strong, what) + m.filtered(len(m.rows))
	case m.listLost != nil:
		return m.trouble(m.listLost)
	case m.listing == nil:
		return "open tunnels of " + named(m.scope.String()) + ": asking…"
	case m.screen == sessionScreen && m.gone:
		return paint(careful, "this tunnel has ended; what is below was seen last")
	case m.screen == sessionScreen:
		return paint(strong, "one tunnel of "+named(m.scope.String()))
	}
	v := &m.listing.list
	what := count(v.Total)
	if v.Total > len(v.Sessions) {
		what = fmt.Sprintf("the first %s of %s by %s", count(len(v.Sessions)), what, m.listing.of.Order)
	}
	text := paint(strong, "open tunnels of "+named(m.scope.String())+": "+what)
	return text + m.filtered(len(m.tunnels))
}

// trouble shows an error on one line: where, at its beginning, and what, at its end.
func (m *Model) trouble(err error) string {
	return paint(bad, fit(named(err.Error()), m.width-1, false))
}

func (m *Model) filtered(rows int) string {
	if f := m.list().filter; f != "" {
		return paint(careful, fmt.Sprintf(", filter %q leaves %s", named(f), count(rows)))
	}
	return ""
}

// body is the table, or the session that is shown alone.
func (m *Model) body() []string {
	switch {
	case m.screen == sessionScreen:
		lines := []string{""}
		for _, f := range m.last.facts() {
			lines = append(lines, " "+paint(quiet, fit(f[0], 9, false))+" "+f[1]) // the longest word and a space
		}
		return lines
	case m.screen == listingScreen && m.listing != nil:
		rows := make([][]cell, len(m.tunnels))
		for i := range m.tunnels {
			rows[i] = m.tunnels[i].cells()
		}
		return m.table(sessionColumns(m.scope), rows, "No tunnel is open here.")
	case m.screen == overviewScreen && m.reading != nil:
		rows := make([][]cell, len(m.rows))
		for i := range m.rows {
			rows[i] = m.rows[i].cells(m.now, m.ways.flat)
		}
		return m.table(overviewColumns(), rows, "There is no pool.")
	}
	return nil
}

// table draws the rows that are in the window of the list.
func (m *Model) table(columns []column, rows [][]cell, none string) []string {
	l := m.list()
	width := m.width - 1
	widths := layout(columns, rows, width)
	lines := []string{" " + paint(head, fit(line(columns, widths, titles(columns, l.by, l.reverse), nil), width, false))}
	if len(rows) == 0 {
		if l.filter != "" {
			none = "Nothing matches the filter; `esc` gives it up."
		}
		return append(lines, " "+none)
	}
	stale := m.lost != nil || m.screen == listingScreen && m.listLost != nil
	for i := l.top; i < min(len(rows), l.top+m.room()); i++ {
		switch {
		case i == l.index:
			lines = append(lines, paint(chosen, ">"+fit(line(columns, widths, rows[i], nil), width, false)))
		case stale:
			lines = append(lines, " "+paint(quiet, line(columns, widths, rows[i], nil)))
		default:
			lines = append(lines, " "+line(columns, widths, rows[i], paint))
		}
	}
	return lines
}
