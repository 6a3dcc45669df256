package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Defaults.
const (
	defaultTimeout = Span(10 * time.Second)
	defaultAtOnce  = 32
	defaultSize    = Size(128)
	defaultBytes   = Size(64 << 20)
	defaultRoom    = 20
)

// SmallestMessage is in bytes: numbers by which a message is known again.
const SmallestMessage = 24

// Bounds that keep a slip of the pen from being taken at its word.
const (
	largestMessage = 1 << 20
	largestRate    = 1e7
	mostClients    = 10_000_000
)

// Versions and Curves are what TLS may be asked for.
var (
	Versions = []string{"1.2", "1.3"}
	Curves   = []string{"X25519", "X25519MLKEM768", "P-256"}
)

func (s *Scenario) complete() {
	setDefault(&s.Timeout, defaultTimeout)
	setDefault(&s.Opening.AtOnce, defaultAtOnce)
	for i := range s.Groups {
		g := &s.Groups[i]
		setDefault(&g.Name, string(g.Does))
		if g.Messages() || g.Does == Connect {
			if len(g.Sizes) == 0 {
				g.Sizes = []Size{defaultSize}
			}
		}
		switch g.Does {
		case Chat:
			setDefault(&g.Room, defaultRoom)
		case Download, Upload:
			setDefault(&g.Bytes, defaultBytes)
		case Connect, Echo, Idle:
		}
	}
}

func setDefault[T comparable](place *T, value T) {
	var zero T
	if *place == zero {
		*place = value
	}
}

// Messages says that the group sends messages through tunnels that stay open.
func (g Group) Messages() bool { return g.Does == Echo || g.Does == Chat }

// Seats are the tunnels that are kept open.
func (s Scenario) Seats() int {
	n := 0
	for _, g := range s.Groups {
		n += g.Connections
	}
	return n
}

// Check returns everything that does not make sense.
func (s Scenario) Check() error {
	var c checks
	c.demand(s.Name != "", "name: is missing")
	c.demand(s.Duration > 0, "duration: must be more than 0, as in 30s")
	c.demand(s.Opening.Rate >= 0 && s.Opening.AtOnce > 0, "opening: rate and at_once must not be negative")
	c.demand(s.TLS.Version == "" || slices.Contains(Versions, s.TLS.Version), "tls.version: must be one of %s", strings.Join(Versions, ", "))
	c.demand(s.TLS.Curve == "" || slices.Contains(Curves, s.TLS.Curve), "tls.curve: must be one of %s", strings.Join(Curves, ", "))
	c.demand(!s.TLS.Off || s.TLS == TLS{Off: true}, "tls.off: without TLS there is no version, curve or resume")
	c.demand(s.Identity.Count >= 0 && s.Identity.Count <= mostClients, "identity.count: must be between 0 and %d", mostClients)
	for key, text := range map[string]string{"cookie": s.Identity.Cookie, "header": s.Identity.Header, "query": s.Identity.Query} {
		name, _, found := strings.Cut(text, "=")
		c.demand(text == "" || found && name != "", "identity.%s: must be NAME=VALUE, as in sid=user-{n}", key)
		c.demand(!strings.ContainsAny(text, "\r\n"), "identity.%s: must be one line", key)
	}
	c.demand(s.During == nil || s.During.Command != "", "during.command: is missing")
	c.demand(s.During == nil || s.During.Every < s.Duration, "during.every: is not before the end of duration, so the command would never run")
	c.demand(len(s.Groups) > 0, "groups: at least one is needed")
	names := map[string]bool{}
	for i, g := range s.Groups {
		c.where = fmt.Sprintf("groups[%d] (%s): ", i, g.Name)
		c.demand(!names[g.Name], "name: there is another of that name")
		names[g.Name] = true
		c.group(g)
	}
	return errors.Join(c.found...)
}

// checks gathers what is found.
type checks struct {
	where string
	found []error
}

func (c *checks) demand(good bool, format string, args ...any) {
	if !good {
		c.found = append(c.found, errors.New(c.where+fmt.Sprintf(format, args...)))
	}
}

func (c *checks) group(g Group) {
	c.demand(slices.Contains(Kinds, g.Does), "does: must be one of %v", Kinds)
	c.demand(g.Connections > 0 && g.Connections <= mostClients, "connections: must be between 1 and %d", mostClients)
	open := !g.Closed && (g.Messages() || g.Does == Connect)
	c.demand(!open || g.Rate > 0 && g.Rate <= largestRate, "rate: must be between 0 and %.0f a second, or closed: true", largestRate)
	c.demand(open || g.Rate == 0, "rate: an open loop has one; this group is not one")
	c.demand(!g.Closed || g.Does == Echo || g.Does == Connect, "closed: only echo and connect can be a closed loop")
	for _, size := range g.Sizes {
		c.demand(size >= SmallestMessage && size <= largestMessage, "sizes: each must be between %d bytes and 1MiB", SmallestMessage)
	}
	c.demand(len(g.Sizes) == 0 || g.Messages() || g.Does == Connect, "sizes: this group sends no messages")
	c.demand(g.Room == 0 || g.Does == Chat, "room: only chat has rooms")
	c.demand(g.Does != Chat || g.Room > 0 && g.Room <= g.Connections, "room: must be between 1 and connections")
	c.demand(g.Path == "" || strings.HasPrefix(g.Path, "/") && !strings.ContainsAny(g.Path, " \t\r\n"), "path: must begin with / and have no blanks")
	bulk := g.Does == Download || g.Does == Upload
	c.demand(bulk == (g.Bytes > 0), "bytes: is for download and upload")
	c.demand(g.Stall == 0 || bulk && g.StallEvery > 0, "stall: only download and upload can, and stall_every must be more than 0")
	c.demand(!bulk || g.Ping == 0 && g.Lifetime == 0, "ping, lifetime: not for download and upload")
	c.demand(g.Does != Connect || g.Ping == 0 && g.Lifetime == 0 && g.Reconnect == nil, "ping, lifetime, reconnect: connect keeps no tunnels")
	if b := g.Reconnect; b != nil {
		c.demand(b.First > 0 && b.Most >= b.First, "reconnect: first must be more than 0, and most not less than first")
	}
}
