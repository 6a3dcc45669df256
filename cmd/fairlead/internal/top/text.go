package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// named makes a word of the configuration fit for a screen: whatever moves the cursor, has no width of its own or joins others is a question mark. Terminals
// disagree about the width of such, and a row of wrong width breaks all that are behind it.
func named(s string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) || unicode.In(r, unicode.M, unicode.Cf) {
			return '?'
		}
		return r
	}, s)
}

// sent makes text that may come from a client fit for a screen: all but printable ASCII is escaped, so nobody is shown something else than what was sent.
func sent(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			q := strconv.QuoteToASCII(s)
			return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
		}
	}
	return s
}

// fit makes s exactly so many cells wide. What is too long loses its middle, since names that are alike differ at their ends.
func fit(s string, width int, right bool) string {
	have := ansi.StringWidth(s)
	if have > width {
		s = shorten(s, width)
		have = ansi.StringWidth(s)
	}
	pad := strings.Repeat(" ", max(0, width-have))
	if right {
		return pad + s
	}
	return s + pad
}

func shorten(s string, width int) string {
	const ellipsis = "…"
	switch width {
	case 0:
		return ""
	case 1:
		return ellipsis
	}
	head := width / 2 // the middle
	tail := width - 1 - head
	return ansi.Truncate(s, head, "") + ellipsis + ending(s, tail)
}

// ending is what of the end of s fits into a width; a wide rune on the cut goes.
func ending(s string, width int) string {
	from := len(s)
	for from > 0 {
		r, n := utf8.DecodeLastRuneInString(s[:from])
		if width -= ansi.StringWidth(string(r)); width < 0 {
			break
		}
		from -= n
	}
	return s[from:]
}

// perSecond is a rate; bytes and sessions alike, 1k being 1000.
func perSecond(known bool, v float64) string {
	const ten = 10
	switch {
	case !known:
		return "-"
	case v == 0:
		return "0"
	case v < ten:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return amount(v)
}

// amount is a number of at most five cells.
func amount(v float64) string {
	const thousand, ten = 1000, 10
	units := []string{"", "k", "M", "G", "T", "P", "E"}
	i := 0
	for v >= thousand-0.5 && i < len(units)-1 {
		v /= thousand
		i++
	}
	if i > 0 && v < ten {
		return fmt.Sprintf("%.1f%s", v, units[i])
	}
	return fmt.Sprintf("%.0f%s", v, units[i])
}

// span is how long something lasts, in at most six cells.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = max(0, d).Truncate(time.Second); {
	case d < time.Minute:
		return d.String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}

// count is a whole number, with commas where it is long.
func count[N int | int64 | uint64](n N) string {
	s := strconv.FormatInt(int64(n), 10) // counters that people read do not reach 2^63
	const group = 3
	for i := len(s) - group; i > 0; i -= group {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// has tells whether a text has all words of a filter, in any case.
func has(filter string, texts ...string) bool {
	all := strings.ToLower(strings.Join(texts, "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(filter)) {
		if !strings.Contains(all, word) {
			return false
		}
	}
	return true
}
