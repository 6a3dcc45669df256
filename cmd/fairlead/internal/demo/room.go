package demo

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a room: what one member may cost the others.
const (
	maxMembers     = 200
	maxNameRunes   = 24
	maxTextRunes   = 500
	maxUndelivered = 64 // events waiting for one member's socket
)

// Reasons for which a room refuses.
var (
	errRoomFull   = errors.New("the room is full")
	errRoomClosed = errors.New("the room is closing")
	errTextLong   = fmt.Errorf("a message has at most %d characters", maxTextRunes)
	errTooFast    = errors.New("too many messages, wait a moment")
)

// person is a member as the others see it.
type person struct {
	ID   uint64 `json:"id"`
	Name string `json:"name"`
}

// event is what a room tells its members, as one JSON text message each.
type event struct {
	Type    string    `json:"type"` // welcome | joined | left | said | refused
	Backend string    `json:"backend"`
	At      time.Time `json:"at"`
	Count   int       `json:"count"` // members now
	Who     person    `json:"who"`   // whom it is about; in a welcome, the member itself
	Text    string    `json:"text,omitempty"`
	Members []person  `json:"members,omitempty"` // in a welcome only
}

// member is one open chat socket. The room writes events; the socket's own goroutine delivers them.
type member struct {
	person
	events chan []byte
	// gone is closed when the room gives the member up: it closes, or the member does not keep up.
	gone  chan struct{}
	given allowance
}

// room is the chat room of one backend. It owns no goroutine and never blocks on a member.
type room struct {
	backend string
	now     func() time.Time

	mu      sync.Mutex
	members map[uint64]*member
	lastID  uint64
	closed  bool
}

func newRoom(backend string, now func() time.Time) *room {
	return &room{backend: backend, now: now, members: make(map[uint64]*member)}
}

// join adds a member under a cleaned name and greets it with the list of all members.
func (r *room) join(name string) (*member, error) {
	name = clean(name)
	if name == "" {
		name = "guest"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, errRoomClosed
	case len(r.members) >= maxMembers:
		return nil, errRoomFull
	}
	r.lastID++
	m := &member{
		person: person{ID: r.lastID, Name: truncate(name, maxNameRunes)},
		events: make(chan []byte, maxUndelivered),
		gone:   make(chan struct{}),
		given:  allowance{left: burst, at: r.now()},
	}
	r.broadcastLocked(event{Type: "joined", Who: m.person, Count: len(r.members) + 1})
	r.members[m.ID] = m
	r.sendLocked(m, r.encode(event{Type: "welcome", Who: m.person, Count: len(r.members), Members: r.peopleLocked()}))
	return m, nil
}

// leave removes a member and tells the others. Leaving twice is harmless.
func (r *room) leave(m *member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removeLocked(m)
}

// say gives a member's message to everybody in the room, the member included. What it refuses it tells the member alone.
func (r *room) say(m *member, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members[m.ID] != m {
		return
	}
	text = clean(text)
	switch {
	case text == "":
	case utf8.RuneCountInString(text) > maxTextRunes:
		r.refuseLocked(m, errTextLong)
	case !m.given.take(r.now()):
		r.refuseLocked(m, errTooFast)
	default:
		r.broadcastLocked(event{Type: "said", Who: m.person, Text: text, Count: len(r.members)})
	}
}

// close gives up all members and lets nobody in any more.
func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for id, m := range r.members {
		delete(r.members, id)
		close(m.gone)
	}
}

func (r *room) refuseLocked(m *member, why error) {
	r.sendLocked(m, r.encode(event{Type: "refused", Who: m.person, Text: why.Error(), Count: len(r.members)}))
}

func (r *room) broadcastLocked(e event) {
	text := r.encode(e)
	for _, m := range r.members {
		r.sendLocked(m, text)
	}
}

// sendLocked queues one event. A member whose queue is full reads too slowly for the room and is removed: waiting
// for it would stop the others.
func (r *room) sendLocked(m *member, text []byte) {
	select {
	case m.events <- text:
	default:
		r.removeLocked(m)
	}
}

// removeLocked recurses through broadcastLocked when several members are stuck at once; each call removes one, so it ends.
func (r *room) removeLocked(m *member) {
	if r.members[m.ID] != m {
		return
	}
	delete(r.members, m.ID)
	close(m.gone)
	r.broadcastLocked(event{Type: "left", Who: m.person, Count: len(r.members)})
}

func (r *room) peopleLocked() []person {
	people := make([]person, 0, len(r.members))
	for _, m := range r.members {
		people = append(people, m.person)
	}
	slices.SortFunc(people, func(a, b person) int { return cmp.Compare(a.ID, b.ID) })
	return people
}

// encode fills in what all events have. An event is made of strings and numbers, so encoding cannot fail.
func (r *room) encode(e event) []byte {
	e.Backend, e.At = r.backend, r.now()
	text, err := json.Marshal(e)
	if err != nil {
		panic(fmt.Sprintf("encode a chat event: %v", err))
	}
	return text
}

// clean makes one line of printable text: control characters would reach other people's terminals and
// direction marks would reorder what stands beside them.
func clean(text string) string {
	const zeroWidthJoiner = '\u200d' // holds family and flag emoji together
	text = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case c == utf8.RuneError, c != zeroWidthJoiner && !unicode.IsPrint(c):
			return -1
		}
		return c
	}, text)
	return strings.TrimSpace(text)
}

// truncate keeps the first n characters.
func truncate(text string, n int) string {
	if runes := []rune(text); len(runes) > n {
		return strings.TrimSpace(string(runes[:n]))
	}
	return text
}
