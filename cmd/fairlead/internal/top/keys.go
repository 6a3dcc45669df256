package top

import (
	"strings"
	"unicode/utf8"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

func bind(shown, does string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(shown, does))
}

// Keys. What they are called and what they do is also what help shows.
var (
	keyUp     = bind("↑ k", "a row up", "up", "k")
	keyDown   = bind("↓ j", "a row down", "down", "j")
	keyPageUp = bind("pgup ^b", "a page up", "pgup", "ctrl+b")
	keyPageDn = bind("pgdn ^f", "a page down", "pgdown", "ctrl+f")
	keyFirst  = bind("home g", "the first row", "home", "g")
	keyLast   = bind("end G", "the last row", "end", "G")
	keyOpen   = bind("enter", "sessions; all of a session", "enter")
	keyBack   = bind("esc", "back; no filter", "esc", "backspace")
	keyFold   = bind("space", "fold or unfold a pool", "space")
	keyFlat   = bind("t", "with pools, or backends alone", "t")
	keySort   = bind("s", "order by the next column", "s")
	keyTurn   = bind("r", "the other way round", "r")
	keyFilter = bind("/", "filter: all words must match", "/")
	keyDrain  = bind("d", "drain a backend", "d")
	keyEnable = bind("e", "enable a backend again", "e")
	keyKill   = bind("x", "end a session, or a backend's", "x")
	keyHelp   = bind("?", "help", "?")
	keyQuit   = bind("q", "quit", "q", "ctrl+c")
	keyStop   = bind("^z", "suspend", "ctrl+z")
	keyYes    = bind("y", "yes", "y", "Y")
	keyNo     = bind("n", "no", "n", "N", "esc", "q")
)

// press does what a key means where the user is.
func (m *Model) press(k tea.KeyPressMsg) tea.Cmd {
	m.remark = remark{}
	switch {
	case k.String() == "ctrl+c":
		return tea.Quit
	case key.Matches(k, keyStop):
		return tea.Suspend
	case m.pending != nil:
		return m.decide(k)
	case m.typing:
		m.typeFilter(k)
		return nil
	case key.Matches(k, keyQuit):
		return tea.Quit
	case m.help:
		m.help = !key.Matches(k, keyHelp, keyBack, keyOpen)
		return nil
	case key.Matches(k, keyHelp):
		m.help = true
		return nil
	case m.tooSmall():
		return nil // nothing is given an order that cannot be seen
	}
	return m.command(k)
}

func (m *Model) command(k tea.KeyPressMsg) tea.Cmd {
	switch {
	case key.Matches(k, keyOpen):
		return m.open()
	case key.Matches(k, keyBack):
		m.back()
	case key.Matches(k, keyDrain):
		m.consider(drainBackend)
	case key.Matches(k, keyEnable):
		m.consider(enableBackend)
	case key.Matches(k, keyKill):
		m.consider(killBackend)
	case m.screen == sessionScreen:
	case key.Matches(k, keyFold) && m.screen == overviewScreen:
		m.fold()
	case key.Matches(k, keyFlat) && m.screen == overviewScreen:
		m.ways.flat = !m.ways.flat
	case key.Matches(k, keySort):
		orders := overviewOrders
		if m.screen != overviewScreen {
			orders = sessionOrders
		}
		m.list().next(orders)
	case key.Matches(k, keyTurn):
		m.list().reverse = !m.list().reverse
		m.list().home()
	case key.Matches(k, keyFilter):
		m.typing = true
	default:
		m.move(k)
	}
	return nil
}

func (m *Model) move(k tea.KeyPressMsg) {
	l, keys, page := m.list(), m.keys(), m.room()
	to := l.index
	switch {
	case key.Matches(k, keyUp):
		to--
	case key.Matches(k, keyDown):
		to++
	case key.Matches(k, keyPageUp):
		to -= page
	case key.Matches(k, keyPageDn):
		to += page
	case key.Matches(k, keyFirst):
		l.home()
		return
	case key.Matches(k, keyLast):
		to = len(keys) - 1
	default:
		return
	}
	l.moved = true
	l.place(to, keys, page)
}

// typeFilter takes a key of the filter's line.
func (m *Model) typeFilter(k tea.KeyPressMsg) {
	filter := m.list().filter
	switch k.String() {
	case "enter":
		m.typing = false
	case "esc":
		m.typing = false
		filter = ""
	case "backspace":
		_, n := utf8.DecodeLastRuneInString(filter)
		filter = filter[:len(filter)-n]
	case "ctrl+u", "ctrl+w":
		filter = ""
	default:
		filter += k.Text
	}
	m.edit(filter)
}

// edit sets the filter, which is one line.
func (m *Model) edit(filter string) {
	const most = 200
	filter = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, filter)
	for len(filter) > most {
		_, n := utf8.DecodeLastRuneInString(filter)
		filter = filter[:len(filter)-n]
	}
	if m.list().filter != filter {
		m.list().filter = filter
		m.list().home()
	}
}
