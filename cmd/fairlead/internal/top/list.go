package top

import (
	"cmp"
	"slices"
	"strings"
)

// list is where the user is in a list of rows: which row, what is to be seen of them, in which order. A cursor that was moved stays with its row when rows move;
// one that was not stays on the first row, where the order puts what matters.
type list struct {
	key     string // of the row under the cursor
	moved   bool
	index   int    // where it was last
	top     int    // the first row on the screen
	by      string // title of the column that orders
	reverse bool
	filter  string
}

// settle finds the cursor again among the keys of all rows, and moves the window of `height` rows so that it is seen. The row below takes the place of one that
// has gone.
func (l *list) settle(keys []string, height int) {
	if i := slices.Index(keys, l.key); i >= 0 && l.moved {
		l.index = i
	}
	l.place(l.index, keys, height)
}

// place puts the cursor on a row, or the nearest there is.
func (l *list) place(index int, keys []string, height int) {
	l.index = max(0, min(index, len(keys)-1))
	l.key = ""
	if len(keys) > 0 {
		l.key = keys[l.index]
	}
	height = max(1, height)
	l.top = min(l.top, l.index, max(0, len(keys)-height))
	l.top = max(l.top, l.index-height+1, 0)
}

// next orders by the next of these columns.
func (l *list) next(orders []string) {
	l.by = orders[(slices.Index(orders, l.by)+1)%len(orders)]
	l.reverse = false
	l.home()
}

// home lets the cursor be on whatever is first.
func (l *list) home() { l.index, l.top, l.moved = 0, 0, false }

// sorted orders rows: numbers with the largest first, words from a to z; reverse turns that round. Equal ones are ordered by their name.
func sorted[R any](rows []R, l *list, compare func(a, b *R, by string) int, name func(*R) string) {
	slices.SortStableFunc(rows, func(a, b R) int {
		c := compare(&a, &b, l.by)
		if l.reverse {
			c = -c
		}
		return cmp.Or(c, natural(name(&a), name(&b)))
	})
}

// natural compares texts as people count: b9 comes before b10.
func natural(a, b string) int {
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da > 0 && db > 0 {
			x, y := strings.TrimLeft(a[:da], "0"), strings.TrimLeft(b[:db], "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); c != 0 {
				return c
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is how many a text begins with.
func digits(s string) int {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return i
		}
	}
	return len(s)
}
