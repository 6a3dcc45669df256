package top

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
)

func TestNamesAndWhatClientsSend(t *testing.T) {
	for in, want := range map[string]string{
		"b0": "b0", "räum 界": "räum 界", "a\x1b[2Jb": "a?[2Jb", "a\tb\nc": "a?b?c", "e\u0301": "e?", "a\u202eb\u200d": "a?b?", "\xff": "?", "\u009b31m": "?31m",
	} {
		if got := named(in); got != want {
			t.Errorf("named(%q) is %q, not %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"/chat?x=1": "/chat?x=1", "\x1b[2J": `\x1b[2J`, "界": `\u754c`, "a\r\nb": `a\r\nb`, "\xff": `\xff`, `say "x"` + "\x00": `say "x"\x00`,
	} {
		if got := sent(in); got != want {
			t.Errorf("sent(%q) is %q, not %q", in, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		right bool
		want  string
	}{
		{"abc", 5, false, "abc  "}, {"abc", 5, true, "  abc"}, {"abc", 3, false, "abc"}, {"abcdefghij", 5, false, "ab…ij"}, {"abcdef", 2, false, "a…"},
		{"abc", 1, false, "…"}, {"abc", 0, false, ""}, {"", 2, false, "  "}, {"界界界", 4, false, "界… "}, {"界界界", 5, false, "界…界"},
	} {
		if got := fit(c.in, c.width, c.right); got != c.want {
			t.Errorf("fit(%q, %d, %t) is %q, not %q", c.in, c.width, c.right, got, c.want)
		}
	}
	for width := range 30 { // a wide rune may be on every edge
		for _, s := range []string{"界a界b界c界d界e界f界", strings.Repeat("x", 60), "a界", ""} {
			if got := ansi.StringWidth(fit(s, width, false)); got != width {
				t.Errorf("%q in %d cells has %d", s, width, got)
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.25: "0.2", 9.4: "9.4", 10: "10", 999.4: "999", 999.6: "1.0k", 1234: "1.2k", 12345: "12k", 999600: "1.0M", 1.5e9: "1.5G", 1e22: "10000E",
	} {
		if got := perSecond(true, v); got != want {
			t.Errorf("%v is %q, not %q", v, got, want)
		}
	}
	if got := perSecond(false, 3); got != "-" {
		t.Error(got)
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59*time.Second + 1: "59s", 61 * time.Second: "1m01s", 3*time.Hour + 4*time.Minute: "3h04m", 51 * time.Hour: "2d03h",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %q, not %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d is %q, not %q", n, got, want)
		}
	}
}

func TestNatural(t *testing.T) {
	inOrder := []string{"", "a", "b2", "b9", "b10", "b10a", "b010b", "c"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			if got := natural(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("natural(%q, %q) is %d", a, b, got)
			}
		}
	}
}
