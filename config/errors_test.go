package config

import (
	"errors"
	"testing"
)

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"with path", Error{"f.yml", 3, 5, "listeners[0].bind[1]", "is bad"}, "f.yml:3:5: listeners[0].bind[1]: is bad"},
		{"whole file", Error{"f.yml", 1, 1, "", "is empty"}, "f.yml:1:1: is empty"},
		{"several", Errors{{"f", 1, 2, "a", "x"}, {"f", 2, 1, "b", "y"}}, "f:1:2: a: x\nf:2:1: b: y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.err.Error(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestErrorsUnwrap(t *testing.T) {
	_, err := Parse("f.yml", []byte("listeners: 1\npools: 2\n"))
	var all Errors
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("errors.As(%v) into Errors gave %d", err, len(all))
	}
	var one Error
	if !errors.As(err, &one) || one.Path != "listeners" || one.Line != 1 || one.Column != 12 || one.File != "f.yml" {
		t.Errorf("errors.As into Error gave %+v", one)
	}
	if !errors.Is(err, all[1]) {
		t.Errorf("errors.Is does not find %v", all[1])
	}
}

func TestReportSortsAndDropsRepeats(t *testing.T) {
	r := newReport("f")
	r.add(spot{2, 1}, "b", "second")
	r.add(spot{1, 9}, "a", "first, right")
	r.add(spot{1, 2}, "a", "first, left")
	r.add(spot{2, 1}, "b", "second")
	r.add(spot{2, 1}, "c", "second")
	want := "f:1:2: a: first, left\nf:1:9: a: first, right\nf:2:1: b: second\nf:2:1: c: second"
	if got := r.err().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestReportSound(t *testing.T) {
	r := newReport("f")
	r.add(spot{}, "a.b[1].c", "bad")
	for path, want := range map[string]bool{
		"a": false, "a.b": false, "a.b[1]": false, "a.b[1].c": false, "a.b[1].c.d": false, "": false,
		"a.b[0]": true, "a.b[1].d": true, "a.c": true, "b": true,
	} {
		if got := r.sound(path); got != want {
			t.Errorf("sound(%q) = %v, want %v", path, got, want)
		}
	}
}
