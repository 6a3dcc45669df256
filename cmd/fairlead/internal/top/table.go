package top

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// column is one of a table.
type column struct {
	title string
	width int  // at least; what it has when it does not grow
	most  int  // to which it grows with its content
	right bool // numbers
	rank  int  // the highest go first where there is no room for all; 0 stays
}

// cell is what stands in a column of a row.
type cell struct {
	text string
	tone tone
}

// layout chooses the columns that fit into a width, and how wide each is; 0 is left out. Those that grow take what is left in their order.
func layout(columns []column, rows [][]cell, width int) []int {
	widths := make([]int, len(columns))
	total := -1
	for i, c := range columns {
		widths[i] = c.width
		total += c.width + 1
	}
	for total > width {
		drop := -1
		for i, c := range columns {
			if widths[i] > 0 && c.rank > 0 && (drop < 0 || c.rank >= columns[drop].rank) {
				drop = i
			}
		}
		if drop < 0 {
			break
		}
		total -= widths[drop] + 1
		widths[drop] = 0
	}
	for i, c := range columns {
		if widths[i] == 0 || c.most <= c.width {
			continue
		}
		want := widths[i]
		for _, r := range rows {
			want = max(want, ansi.StringWidth(r[i].text))
		}
		more := min(min(want, c.most)-widths[i], width-total)
		if more > 0 {
			widths[i] += more
			total += more
		}
	}
	return widths
}

// line writes the cells of a row. Where dye is nil all is plain, for one style to be put over it.
func line(columns []column, widths []int, cells []cell, dye func(tone, string) string) string {
	var b strings.Builder
	first := true
	for i, c := range cells {
		if widths[i] == 0 {
			continue
		}
		if !first {
			b.WriteByte(' ')
		}
		first = false
		text := fit(c.text, widths[i], columns[i].right)
		if dye != nil && c.tone != plain {
			text = dye(c.tone, text)
		}
		b.WriteString(text)
	}
	return b.String()
}

// titles are the cells of the head; the sorted one has an arrow.
func titles(columns []column, sorted string, reverse bool) []cell {
	out := make([]cell, len(columns))
	for i, c := range columns {
		out[i].text = c.title
		if c.title != sorted {
			continue
		}
		arrow := "↓"
		if reverse {
			arrow = "↑"
		}
		if c.right {
			out[i].text = arrow + c.title
		} else {
			out[i].text += arrow
		}
	}
	return out
}
