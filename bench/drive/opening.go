package drive

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"fairlead/bench/backend"
	"fairlead/bench/load"
	"fairlead/bench/scenario"
)

// identity is who a client says it is. Several may say the same.
type identity struct {
	number int
	ticket ticket

	mu    sync.Mutex
	known bool   // guarded by mu: it has come before
	first string // guarded by mu: the backend that it came to first; "" if that does not say
	home  string // guarded by mu: the last one
}

// arrive notes the backend that the identity came to, and returns the one before; again says whether there was any.
func (i *identity) arrive(home string) (before string, again bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before, again = i.home, i.known
	i.home, i.known = home, true
	if i.first == "" {
		i.first = home
	}
	return before, again
}

// atHome says whether the identity is where it was first, and whether that is known.
func (i *identity) atHome() (home, known bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.home == i.first, i.first != "" && i.home != ""
}

// ticket keeps what allows the next handshake to be resumed.
type ticket struct {
	mu    sync.Mutex
	state *tls.ClientSessionState // guarded by mu
}

// Get gives what was put last. A ticket of TLS 1.3 should be used once (RFC 8446 appendix C.4); servers give one each time.
func (t *ticket) Get(string) (*tls.ClientSessionState, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state, t.state != nil
}

// Put keeps a ticket; nil is crypto/tls's word for one that was of no use.
func (t *ticket) Put(_ string, state *tls.ClientSessionState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = state
}

// paths are what the backend has for each kind.
var paths = map[scenario.Kind]string{
	scenario.Connect: backend.PathChat, scenario.Echo: backend.PathChat, scenario.Idle: backend.PathChat,
	scenario.Chat: backend.PathRoom + "{room}", scenario.Download: backend.PathStream, scenario.Upload: backend.PathSink,
}

// request is what a client of the group asks for.
func (g *group) request(who *identity, number, room int) load.Request {
	names := strings.NewReplacer("{n}", strconv.Itoa(who.number), "{run}", fmt.Sprintf("%08x", g.run.tag), "{room}", fmt.Sprintf("%s-%d-%08x", g.does.Name, room, g.run.tag))
	path := g.does.Path
	if path == "" {
		path = paths[g.does.Does]
	}
	r := load.Request{Path: g.run.aim.prefix + names.Replace(path), Number: number / max(1, len(g.run.sources))}
	says := g.run.scenario.Identity
	if name, value, ok := strings.Cut(says.Query, "="); ok {
		sign := "?"
		if strings.Contains(r.Path, "?") {
			sign = "&"
		}
		r.Path += sign + name + "=" + url.QueryEscape(names.Replace(value))
	}
	if says.Cookie != "" {
		r.Header += "Cookie: " + names.Replace(says.Cookie) + "\r\n"
	}
	if name, value, ok := strings.Cut(says.Header, "="); ok {
		r.Header += name + ": " + names.Replace(value) + "\r\n"
	}
	if n := len(g.run.sources); n > 0 {
		r.Source = g.run.sources[number%n]
	}
	if g.run.scenario.TLS.Resume {
		r.Tickets = &who.ticket
	}
	return r
}

// open opens a tunnel of a seat.
func (r *run) open(ctx context.Context, s *seat) (*load.Tunnel, error) {
	defer s.admit()
	return s.group.reach(ctx, s.who, int(s.number), s.room())
}

// reach opens a tunnel and notes everything that there is to know of that.
func (g *group) reach(ctx context.Context, who *identity, number, room int) (*load.Tunnel, error) {
	begun := time.Now()
	tunnel, opened, err := g.run.aim.target.Open(ctx, g.request(who, number, room))
	if err != nil {
		return nil, err
	}
	g.run.openings.Record(time.Since(begun))
	g.run.opens.Add(1)
	g.run.offers.add(opened.TLS)
	home := opened.Header.Get(backend.HeaderName)
	before, again := who.arrive(home)
	if again && g.does.Does != scenario.Connect {
		g.storm.found(before, home)
	}
	g.run.homes.add(home)
	if g.does.Sticky && before != "" && home != "" && before != home {
		g.run.fail(FailBackend, fmt.Errorf("identity %d was at %s and came to %s", who.number, before, home))
	}
	return tunnel, nil
}

// offers counts how handshakes ended.
type offers struct {
	mu     sync.Mutex
	byKind map[handshake]int // guarded by mu
}

type handshake struct {
	version, suite uint16
	curve          tls.CurveID
	resumed        bool
}

func (h handshake) String() string {
	how := "full"
	if h.resumed {
		how = "resumed"
	}
	curve := "no key exchange"
	if h.curve != 0 {
		curve = h.curve.String()
	}
	return strings.Join([]string{tls.VersionName(h.version), tls.CipherSuiteName(h.suite), curve, how}, ", ")
}

func (o *offers) add(state *tls.ConnectionState) {
	if state == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKind == nil {
		o.byKind = make(map[handshake]int)
	}
	o.byKind[handshake{version: state.Version, suite: state.CipherSuite, curve: state.CurveID, resumed: state.DidResume}]++
}

func (o *offers) result() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := make(map[string]int, len(o.byKind))
	for kind, n := range o.byKind {
		found[kind.String()] = n
	}
	return found
}

// tallies counts by name; "" is not counted.
type tallies struct {
	mu     sync.Mutex
	byName map[string]int // guarded by mu
}

func (t *tallies) add(name string) {
	if name == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byName == nil {
		t.byName = make(map[string]int)
	}
	t.byName[name]++
}
