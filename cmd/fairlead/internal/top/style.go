package top

import "charm.land/lipgloss/v2"

// tone is what a text means. Whatever a colour says, a word says as well: there may be no colours.
type tone uint8

const (
	plain tone = iota
	strong
	quiet
	good
	careful
	bad
	chosen // the row of the cursor
	head   // of a table
)

// paint gives a text its tone, in the 16 colours that every terminal's theme makes readable. bubbletea takes colours off again for NO_COLOR and for
// terminals without.
func paint(t tone, s string) string {
	style := lipgloss.NewStyle()
	switch t {
	case plain:
		return s
	case strong:
		style = style.Bold(true)
	case quiet:
		style = style.Faint(true)
	case good:
		style = style.Foreground(lipgloss.Green)
	case careful:
		style = style.Foreground(lipgloss.Yellow)
	case bad:
		style = style.Foreground(lipgloss.Red).Bold(true)
	case chosen:
		style = style.Reverse(true)
	case head:
		style = style.Bold(true).Underline(true)
	}
	return style.Render(s)
}

// toneOf is that of a backend's state.
func toneOf(state string) tone {
	switch state {
	case "up":
		return good
	case "down", "ejected":
		return bad
	case "starting", "probation", "draining", "drained", "disabled", "removed":
		return careful
	}
	return plain
}

// gravity orders states, the worst highest.
func gravity(state string) int {
	for i, s := range []string{"up", "starting", "drained", "draining", "disabled", "removed", "probation", "ejected", "down"} {
		if s == state {
			return i
		}
	}
	return 0
}
