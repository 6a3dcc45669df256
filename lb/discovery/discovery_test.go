package discovery

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var errTest = errors.New("a test says so")

// TestPace: names are looked up when their TTL is nearly over, within bounds, and after a failure as often as is said.
func TestPace(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer answer
		want   time.Duration
	}{
		{"its TTL", answer{ttl: 30 * time.Second}, 30 * time.Second},
		{"not too often", answer{ttl: 0}, 5 * time.Second},
		{"not too seldom", answer{ttl: 24 * time.Hour}, time.Minute},
		{"after a failure", answer{err: errTest, ttl: time.Hour}, 7 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			looks := 0
			s := &Source{pace: pace{5 * time.Second, time.Minute, 7 * time.Second}, look: func(context.Context) answer {
				looks++
				return tt.answer
			}}
			ctx, cancel := context.WithCancel(t.Context())
			s.First(ctx)
			done := make(chan struct{})
			go func() { defer close(done); s.Run(ctx, func(Change) {}) }()
			const span = 10 * time.Minute
			time.Sleep(span)
			cancel()
			<-done
			if least, most := int(span/tt.want), int(span*10/9/tt.want)+1; looks < least || looks > most+1 {
				t.Errorf("%s: %d looks in %v, not %d to %d", tt.name, looks, span, least, most)
			}
		})
	}
}

func member(name string) Member { return Member{Name: name, Weight: 1} }

// TestChanges are reported once each, and a failure hides nobody.
func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heavier := Member{Name: "b", Weight: 2}
		answers := []answer{
			{members: []Member{member("b"), member("a"), member("b")}},
			{members: []Member{member("a"), member("b")}},
			{err: errTest},
			{err: errors.New("something else")},
			{members: []Member{member("a"), member("b")}},
			{members: []Member{heavier, member("c")}},
			{members: []Member{member("c")}, note: errTest},
			{members: []Member{member("c")}, note: errTest},
		}
		s := &Source{pace: pace{time.Second, time.Second, time.Second}, look: func(context.Context) answer {
			a := answers[0]
			if len(answers) > 1 {
				answers = answers[1:]
			}
			return a
		}}
		var got []string
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Run(ctx, func(c Change) {
				words := []string{names(c.Members)}
				for sign, list := range map[string][]string{"+": c.Added, "-": c.Removed, "~": c.Altered} {
					for _, name := range list {
						words = append(words, sign+name)
					}
				}
				slices.Sort(words[1:])
				for word, holds := range map[string]bool{"failed": c.Err != nil, "recovered": c.Recovered, "note": c.Note != nil} {
					if holds {
						words = append(words, word)
					}
				}
				got = append(got, strings.Join(words, " "))
			})
		}()
		time.Sleep(time.Minute)
		cancel()
		<-done
		want := []string{"a b +a +b", "a b failed", "a b recovered", "b c +c -a ~b", "c -b note"}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
