package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// next takes the next event waiting for a member; the room sends without delay, so none waiting is a fault.
func next(t *testing.T, m *member) event {
	t.Helper()
	select {
	case text := <-m.events:
		var e event
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatalf("event %s: %v", text, err)
		}
		return e
	default:
		t.Fatalf("no event for %s", m.Name)
		return event{}
	}
}

func join(t *testing.T, r *room, name string) *member {
	t.Helper()
	m, err := r.join(name)
	if err != nil {
		t.Fatalf("join as %q: %v", name, err)
	}
	return m
}

func isGone(m *member) bool {
	select {
	case <-m.gone:
		return true
	default:
		return false
	}
}

func TestRoomTellsEverybodyWhoComesAndGoes(t *testing.T) {
	r := newRoom("b1", time.Now)
	ada := join(t, r, "ada")
	if e := next(t, ada); e.Type != "welcome" || e.Backend != "b1" || e.Who != ada.person || e.Count != 1 || len(e.Members) != 1 {
		t.Errorf("ada's welcome: %+v", e)
	}
	bob := join(t, r, "bob")
	if e := next(t, ada); e.Type != "joined" || e.Who != bob.person || e.Count != 2 {
		t.Errorf("ada hears of bob: %+v", e)
	}
	if e := next(t, bob); e.Type != "welcome" || len(e.Members) != 2 || e.Members[0] != ada.person {
		t.Errorf("bob's welcome: %+v", e)
	}
	r.say(ada, " hello ")
	for _, m := range []*member{ada, bob} {
		if e := next(t, m); e.Type != "said" || e.Who != ada.person || e.Text != "hello" || e.Backend != "b1" {
			t.Errorf("%s hears: %+v", m.Name, e)
		}
	}
	r.leave(ada)
	r.leave(ada)
	if e := next(t, bob); e.Type != "left" || e.Who != ada.person || e.Count != 1 {
		t.Errorf("bob hears of ada's leaving: %+v", e)
	}
	r.say(ada, "still here")
	if n := len(bob.events); n != 0 {
		t.Errorf("%d events after ada left", n)
	}
}

func TestRoomIsBounded(t *testing.T) {
	r := newRoom("b1", time.Now)
	var members []*member
	for i := range maxMembers {
		m := join(t, r, fmt.Sprint("guest ", i))
		for _, other := range append(members, m) {
			next(t, other)
		}
		members = append(members, m)
	}
	if _, err := r.join("one more"); !errors.Is(err, errRoomFull) {
		t.Errorf("joining a full room: %v", err)
	}
	r.leave(members[0])
	if _, err := r.join("one more"); err != nil {
		t.Errorf("joining after one left: %v", err)
	}
}

func TestRoomDropsMemberThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom("b1", time.Now)
		deaf := join(t, r, "deaf")
		ada := join(t, r, "ada")
		next(t, ada)
		for i := range 2 * maxUndelivered {
			time.Sleep(time.Second) // ada keeps to the rate
			r.say(ada, "anybody?")
			if e := next(t, ada); e.Type == "left" && e.Who == deaf.person {
				if !isGone(deaf) || len(r.members) != 1 {
					t.Errorf("said to have left, but gone is %t and the room has %d members", isGone(deaf), len(r.members))
				}
				return
			} else if e.Type != "said" {
				t.Fatalf("message %d: %+v", i, e)
			}
		}
		t.Error("a member that reads nothing is still in the room")
	})
}

func TestRoomDropsSeveralDeafMembersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom("b1", time.Now)
		one, two := join(t, r, "one"), join(t, r, "two")
		ada := join(t, r, "ada")
		for range 2 * maxUndelivered {
			time.Sleep(time.Second)
			r.say(ada, "anybody?")
			for len(ada.events) > 0 {
				next(t, ada)
			}
		}
		if !isGone(one) || !isGone(two) || isGone(ada) {
			t.Errorf("gone: one %t, two %t, ada %t", isGone(one), isGone(two), isGone(ada))
		}
	})
}

func TestRoomRefusesWithAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom("b1", time.Now)
		ada, bob := join(t, r, "ada"), join(t, r, "bob")
		for _, m := range []*member{ada, ada, bob} {
			next(t, m)
		}
		r.say(ada, strings.Repeat("é", maxTextRunes+1))
		if e := next(t, ada); e.Type != "refused" || e.Text != errTextLong.Error() {
			t.Errorf("a long message: %+v", e)
		}
		for range int(burst) {
			r.say(ada, "x")
			if e := next(t, ada); e.Type != "said" {
				t.Fatalf("within the burst: %+v", e)
			}
			next(t, bob)
		}
		r.say(ada, "x")
		if e := next(t, ada); e.Type != "refused" || e.Text != errTooFast.Error() {
			t.Errorf("beyond the burst: %+v", e)
		}
		if n := len(bob.events); n != 0 {
			t.Errorf("bob was told of %d refusals", n)
		}
		time.Sleep(time.Second / perSecond)
		r.say(ada, "x")
		if e := next(t, ada); e.Type != "said" {
			t.Errorf("after a pause: %+v", e)
		}
	})
}

func TestClosedRoom(t *testing.T) {
	r := newRoom("b1", time.Now)
	ada := join(t, r, "ada")
	r.close()
	if !isGone(ada) {
		t.Error("a member of a closed room is not gone")
	}
	if _, err := r.join("bob"); !errors.Is(err, errRoomClosed) {
		t.Errorf("joining a closed room: %v", err)
	}
	r.leave(ada) // as its socket will
}

func TestClean(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "hello", "hello"},
		{"outer space", " \t hello \n", "hello"},
		{"inner line end", "a\r\nb", "a  b"},
		{"terminal escape", "a\x1b[31mb", "a[31mb"},
		{"C1 control", "a\u009b31mb", "a31mb"},
		{"direction override", "a\u202eb", "ab"},
		{"invalid UTF-8", "a\xffb", "ab"},
		{"joined emoji", "👩\u200d🚀", "👩\u200d🚀"},
		{"markup stays text", "<b>&", "<b>&"},
		{"nothing left", "\x00\u200e ", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := clean(tt.in); got != tt.want {
				t.Errorf("clean(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"given", "ada", "ada"},
		{"none", "", "guest"},
		{"nothing printable", "\x01\x02", "guest"},
		{"too long", strings.Repeat("ä", maxNameRunes+5), strings.Repeat("ä", maxNameRunes)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := join(t, newRoom("b1", time.Now), tt.in).Name; got != tt.want {
				t.Errorf("joined as %q, want %q", got, tt.want)
			}
		})
	}
}
