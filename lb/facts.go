package lb

import (
	"net/netip"
	"slices"
	"time"

	"fairlead/lb/affinity"
)

// facts is what stays known of a session for as long as it lives: what its line in the log says, and what must be given
// back. While a session is a tunnel its facts are bytes, see pack, since a million tunnels should be nothing to the
// garbage collector.
type facts struct {
	id    sessionID
	start time.Duration // on clock

	peer   netip.AddrPort // of the socket; zero for unix
	source netip.AddrPort // the client's, as the PROXY header tells or as the socket does

	version uint16 // of TLS; 0 without termination
	resumed bool
	sni     string
	alpn    string

	hasHead bool
	head    headFacts

	pool     *Pool
	backend  *Backend
	pinned   bool // key has a hold on backend
	key      affinity.Key
	hit      string // how the backend was found
	attempts int
	queued   time.Duration // waited for a slot
	status   int           // of the backend's answer to an Upgrade request; 0 if not looked at

	upBytes, downBytes uint64        // sent by the arrival, before the relay counts
	secured            time.Duration // since start: TLS done
	headed             time.Duration // since start: head complete
	connected          time.Duration // since start: connected to a backend
}

// headFacts is what stays known of a request head.
type headFacts struct {
	host, method, path string
	upgrade            bool
	headOnly           bool
}

// code puts the facts of a session that has a backend into c, or takes them from it: one order for both. Pools and
// backends go by their numbers.
func (a *facts) code(c *coder, pools []*Pool) {
	c.uint64(&a.id.n)
	c.duration(&a.start)
	c.addr(&a.peer)
	c.addr(&a.source)
	c.uint16(&a.version)
	c.text(&a.sni)
	c.text(&a.alpn)
	for _, flag := range [...]*bool{&a.resumed, &a.hasHead, &a.head.upgrade, &a.head.headOnly, &a.pinned} {
		c.bool(flag)
	}
	for _, text := range [...]*string{&a.head.host, &a.head.method, &a.head.path, &a.hit} {
		c.text(text)
	}
	pool, backend := slices.Index(pools, a.pool), affinity.ID(0)
	if a.backend != nil {
		backend = a.backend.number
	}
	c.int(&pool)
	c.uint32((*uint32)(&backend))
	a.pool = pools[pool]
	a.backend = a.pool.view.Load().numbers[backend] // as long as it has sessions it has a number
	if a.pinned {
		c.uint64(&a.key.Hi)
		c.uint64(&a.key.Lo)
	}
	c.int(&a.attempts)
	c.duration(&a.queued)
	c.int(&a.status)
	c.uint64(&a.upBytes)
	c.uint64(&a.downBytes)
	for _, d := range [...]*time.Duration{&a.secured, &a.headed, &a.connected} {
		c.duration(d)
	}
}

// pack returns the facts of a session as bytes, in b's room.
func (a *facts) pack(b []byte, pools []*Pool) []byte {
	c := coder{b: b[:0]}
	a.code(&c, pools)
	return c.b
}

// unpack is the inverse of pack. b is not kept.
func unpack(b []byte, pools []*Pool) facts {
	var a facts
	a.code(&coder{b: b, reading: true}, pools)
	return a
}

// release gives the backend back after a tunnel.
func (a *facts) release() {
	if a.pinned {
		a.pool.table.Release(a.key, a.backend.number)
	}
	a.backend.giveBack() // behind the pin, which must not outlive the last session
}
