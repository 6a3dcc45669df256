package config

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// nearest returns the candidate that written was most likely meant to be, or "" if none is near.
func nearest(written string, candidates []string) string {
	best, bestDistance := "", -1
	for _, c := range candidates {
		d := distance(fold(written), fold(c))
		if bestDistance < 0 || d < bestDistance {
			best, bestDistance = c, d
		}
	}
	// A third of the letters may differ: fewer misses typing slips, more guesses at random.
	if bestDistance < 0 || bestDistance > max(1, utf8.RuneCountInString(written)/3) || strings.TrimSpace(written) == "" {
		return ""
	}
	return best
}

// maybe renders the nearest candidate as the end of a message.
func maybe(written string, candidates []string) string {
	if n := nearest(written, candidates); n != "" {
		return fmt.Sprintf(" (did you mean %q?)", n)
	}
	return ""
}

// fold makes what people mix up equal: case, dashes and underscores.
func fold(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// longestCompared bounds the quadratic comparison; no key or name that is worth a suggestion is longer.
const longestCompared = 64

// distance is the number of letters to insert, delete, replace or swap with their neighbour to turn a into b
// (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > longestCompared || len(y) > longestCompared {
		return longestCompared
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}

// shorten quotes what somebody wrote, cut to a length that keeps an error on one line.
func shorten(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
