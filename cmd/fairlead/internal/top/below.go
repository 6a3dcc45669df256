package top

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	"github.com/charmbracelet/x/ansi"
)

// below is what stands under the table: the row of the cursor in full and the keys, or a question.
func (m *Model) below() []string {
	if m.pending != nil {
		return m.questionLines()
	}
	lines := []string{"", "", m.foot()}
	if m.screen != sessionScreen {
		one, two := m.details()
		lines[0], lines[1] = " "+paint(strong, m.position()+one), " "+two
	}
	return lines
}

// questionLines ask about the order that waits, all of it: whom it is about is never cut off.
func (m *Model) questionLines() []string {
	width := max(1, m.width-1)
	var lines []string
	add := func(t tone, text string) {
		for l := range strings.SplitSeq(ansi.Wrap(text, width, " /"), "\n") {
			lines = append(lines, " "+paint(t, l))
		}
	}
	lines = append(lines, paint(quiet, strings.Repeat("─", m.width)))
	add(bad, m.pending.question)
	add(plain, m.pending.meaning)
	add(strong, "y: yes   n: no")
	if most := m.height - linesAbove - 1; len(lines) > most {
		lines = append(lines[:most-1], lines[len(lines)-1])
	}
	return lines
}

// position is which row of how many the cursor is on.
func (m *Model) position() string {
	n := len(m.keys())
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d ", m.list().index+1, n)
}

// details tell in two lines what the columns have no room for.
func (m *Model) details() (one, two string) {
	if m.screen == listingScreen {
		if t := m.tunnel(); t != nil {
			one = sent(t.Client) + " on " + named(t.Pool+"/"+t.Backend)
			two = strings.TrimSpace(sent(t.Method+" "+t.Host+t.Path)) + "  " + strings.Join(strings.Fields(named(t.Affinity+" "+t.TLS+" "+t.Engine)), " ")
		}
		return one, two
	}
	r := m.row()
	switch {
	case r == nil:
		return "", ""
	case r.backend == nil:
		p := r.pool
		two = fmt.Sprintf("%s pins, %s remembered, %s of %s waiting", count(p.Affinity.Pins), count(p.Affinity.Remembered),
			count(p.Queue.Waiting), count(p.Queue.Size))
		if n := poolNote(p); n != "" {
			two = n + "; " + two
		}
		return "pool " + named(p.Name), two
	}
	b := r.backend
	two = fmt.Sprintf("%s for %s", r.state, span(m.now.Sub(b.Since)))
	if n := note(b); n != "" {
		two += ": " + n
	}
	two += fmt.Sprintf("; weight %d; %s", b.Weight, named(strings.Join(b.Addresses, " ")))
	return "backend " + named(r.place.String()), two
}

// foot is the last line.
func (m *Model) foot() string {
	switch {
	case m.typing:
		text := named(m.list().filter)
		if over := ansi.StringWidth(text) - m.width/2; over > 0 { // room for the rest
			text = ansi.TruncateLeft(text, over, "")
		}
		return " /" + text + paint(chosen, " ") + paint(quiet, "  enter: keep it  esc: no filter")
	case m.remark.text != "":
		return " " + paint(m.remark.tone, m.remark.text)
	}
	return " " + m.parts(m.hints(), "  ", m.width-1)
}

// hints are the keys that matter most where the user is.
func (m *Model) hints() []cell {
	var out []cell
	add := func(k key.Binding, word string) { out = append(out, cell{text: k.Keys()[0] + " " + word}) }
	if m.screen != overviewScreen {
		add(keyBack, "back")
	}
	if m.screen != sessionScreen {
		add(keyOpen, "open")
	}
	if m.screen == overviewScreen {
		add(keyDrain, "drain")
		add(keyEnable, "enable")
	}
	add(keyKill, "kill")
	if m.screen != sessionScreen {
		add(keySort, "sort")
		add(keyFilter, "filter")
	}
	add(keyHelp, "help")
	add(keyQuit, "quit")
	if m.screen != sessionScreen {
		add(keyTurn, "reverse")
	}
	if m.screen == overviewScreen {
		add(keyFold, "fold")
		add(keyFlat, "flat")
	}
	return out
}

// helpLines tell of all keys and columns.
func (m *Model) helpLines() []string {
	lines := []string{paint(strong, " Keys")}
	all := []key.Binding{
		keyUp, keyPageUp, keyFirst, keyOpen, keyFold, keySort, keyFilter, keyDrain, keyKill,
		keyDown, keyPageDn, keyLast, keyBack, keyFlat, keyTurn, keyHelp, keyEnable, keyQuit,
	}
	half := len(all) / 2 // two columns
	const word = 8
	cellOf := func(k key.Binding) string {
		return " " + paint(careful, fit(k.Help().Key, word, false)) + k.Help().Desc
	}
	column := min(max(leastWidth, m.width)/2, leastWidth) // as above; not too far apart
	for i := range half {
		left := cellOf(all[i])
		lines = append(lines, ansi.Truncate(left, column-1, "")+strings.Repeat(" ", max(1, column-ansi.StringWidth(left)))+cellOf(all[half+i]))
	}
	lines = append(lines, "", paint(strong, " Columns"))
	for _, l := range [][2]string{
		{"STATE", "of a backend; of a pool, how many of its backends are eligible"},
		{"NEW/S", "new sessions a second, between the last two readings"},
		{"UP/S DOWN/S", "bytes a second to and from backends; 1k is 1000"},
		{"ERR/S ERRORS", "failed connects, and Upgrade requests without a good answer"},
		{"FOR", "how long it has been in this state"},
		{"AGE IDLE", "of a session: since it was accepted, since its last byte"},
	} {
		lines = append(lines, " "+paint(careful, fit(l[0], 13, false))+l[1]) // the longest word
	}
	return append(lines, "", " Drain, enable and kill ask before they do anything. docs/admin.md tells more.", paint(quiet, " esc or ? goes back"))
}
