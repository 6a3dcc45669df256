package lb

import (
	"net/netip"
	"strings"
	"time"

	"fairlead/lb/relay"
	"fairlead/lb/termination"
	"fairlead/tlsterm"
)

// SessionFilter says which tunnels are meant. The zero filter means all of them.
type SessionFilter struct {
	ID            string
	Pool, Backend string
	Client        netip.Prefix // zero: any
	Host          string
	MinAge        time.Duration
	MinIdle       time.Duration
	MinBytes      uint64 // both ways together
}

// Session is what there is to see of an open tunnel.
type Session struct {
	ID, Listener       string
	Client, Peer       netip.AddrPort // zero for unix
	SNI, TLS           string
	Host, Method, Path string
	Pool, Backend      string
	Affinity           string // how the backend was found
	Age, Idle          time.Duration
	Up, Down           uint64
	Engines            string
	tunnel             relay.Tunnel
}

// Kill ends the tunnel by order, unless it has ended.
func (s *Session) Kill() { s.tunnel.Kill(termination.Killed) }

// EachSession calls f for the open tunnels that a filter means, in no order, until f returns false. Sessions that are no
// tunnels yet are not among them: they are a matter of seconds.
func (f *Frontend) EachSession(filter *SessionFilter, do func(*Session) bool) {
	tags := f.tagsOf(filter)
	list := f.run.Relay.Select(func(o relay.Owner, tag uint32) bool {
		return o == relay.Owner(f) && (tags == nil || tags[tag])
	})
	var room [memoRoom]byte
	for _, t := range list {
		s, ok := f.view(t, room[:0])
		if ok && filter.means(s) && !do(s) {
			return
		}
	}
}

// tagsOf returns the tags of the backends that a filter names; nil: of all.
func (f *Frontend) tagsOf(filter *SessionFilter) map[uint32]bool {
	if filter.Pool == "" && filter.Backend == "" {
		return nil
	}
	tags := map[uint32]bool{}
	for _, p := range f.pools.all() {
		if p == nil {
			continue
		}
		if filter.Pool != "" && p.Name() != filter.Pool {
			continue
		}
		for _, b := range p.view.Load().numbers {
			if filter.Backend == "" || b.Name == filter.Backend {
				tags[b.tag] = true
			}
		}
	}
	return tags
}

// view puts together what is known of a tunnel, in room's place. The tunnel may end at any moment, and what was kept for it
// be another's: only if it is still there after the look does the look count.
func (f *Frontend) view(t relay.Tunnel, room []byte) (*Session, bool) {
	pools := f.pools.all() // before the look: a pool that a tunnel is of stays until the tunnel has ended
	ref, ok := t.Ref()
	if !ok {
		return nil, false
	}
	kept := f.memos.read(ref, room)
	stats, ok := t.Stats()
	if !ok || len(kept) == 0 {
		return nil, false
	}
	a := unpack(kept, pools)
	s := &Session{
		ID: a.id.String(), Listener: f.name, Client: a.source, Peer: a.peer, SNI: a.sni,
		Host: a.head.host, Method: a.head.method, Path: a.head.path, Pool: a.pool.Name(), Affinity: a.hit,
		Age: a.age(), Idle: stats.Idle, Up: a.upBytes + stats.Up, Down: a.downBytes + stats.Down, Engines: stats.Engines.String(), tunnel: t,
	}
	if a.backend != nil {
		s.Backend = a.backend.Name
	}
	if a.version != 0 {
		s.TLS = tlsterm.State{Version: a.version}.VersionName()
	}
	return s, true
}

func (filter *SessionFilter) means(s *Session) bool {
	switch {
	case filter.ID != "" && s.ID != filter.ID,
		filter.Client.IsValid() && !filter.Client.Contains(s.Client.Addr()),
		filter.Host != "" && !strings.EqualFold(s.Host, filter.Host),
		s.Age < filter.MinAge, s.Idle < filter.MinIdle, s.Up+s.Down < filter.MinBytes:
		return false
	}
	return true
}
