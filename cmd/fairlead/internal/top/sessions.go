package top

import (
	"cmp"
	"strings"
	"time"

	"fairlead/lb/admin"
)

// Titles of columns that order sessions, beside those of the overview.
const (
	byClient  = "CLIENT"
	byBackend = "BACKEND"
	byAge     = "AGE"
	byIdle    = "IDLE"
	byUpAll   = "UP"
	byDownAll = "DOWN"
	byHost    = "HOST"
)

var sessionOrders = []string{byAge, byIdle, byUpAll, byDownAll, byUp, byDown, byClient, byBackend, byHost}

// rankOf is the order to ask for, where the list is ordered by a column: the API orders by no rates and no words.
func rankOf(by string) string {
	switch by {
	case byIdle:
		return "idle"
	case byUpAll, byUp:
		return "up"
	case byDownAll, byDown:
		return "down"
	}
	return "age"
}

// tunnel is a session with how fast its bytes go.
type tunnel struct {
	admin.Session
	flow flow
}

// tunnels makes the rows of a listing.
func tunnels(v *listing, flows map[string]flow, l *list) []tunnel {
	var out []tunnel
	for i := range v.list.Sessions {
		s := &v.list.Sessions[i]
		if has(l.filter, s.Client, s.Backend, s.Host, s.Path, s.SNI, s.ID, s.Listener, s.Affinity, s.Engine) {
			out = append(out, tunnel{*s, flows[s.ID]})
		}
	}
	sorted(out, l, compareTunnels, func(t *tunnel) string { return t.ID })
	return out
}

func compareTunnels(a, b *tunnel, by string) int {
	switch by {
	case byIdle:
		return cmp.Compare(b.Idle, a.Idle)
	case byUpAll:
		return cmp.Compare(b.Up, a.Up)
	case byDownAll:
		return cmp.Compare(b.Down, a.Down)
	case byUp:
		return cmp.Compare(b.flow.up, a.flow.up)
	case byDown:
		return cmp.Compare(b.flow.down, a.flow.down)
	case byClient:
		return natural(a.Client, b.Client)
	case byBackend:
		return natural(a.Backend, b.Backend)
	case byHost:
		return natural(a.Host, b.Host)
	}
	return cmp.Compare(b.Age, a.Age)
}

// sessionColumns are those of a listing. Its backend is told where there may be several.
func sessionColumns(of Place) []column {
	backend := 3
	if of.Backend != "" {
		backend = 9
	}
	return []column{
		{title: byClient, width: 21, most: 47},
		{title: byAge, width: 6, right: true},
		{title: byIdle, width: 6, right: true},
		{title: byUpAll, width: 5, right: true, rank: 2},
		{title: byDownAll, width: 6, right: true, rank: 1},
		{title: byUp, width: 6, right: true},
		{title: byDown, width: 7, right: true},
		{title: byBackend, width: 14, most: 30, rank: backend},
		{title: byHost, width: 12, most: 40, rank: 4},
		{title: "PATH", width: 12, most: 60, rank: 5},
		{title: "AFFINITY", width: 10, rank: 6},
		{title: "TLS", width: 8, most: 30, rank: 7},
		{title: "ENGINE", width: 8, most: 16, rank: 8},
	}
}

func (t *tunnel) cells() []cell {
	return []cell{
		{text: sent(t.Client)}, {text: span(time.Duration(t.Age))}, {text: span(time.Duration(t.Idle))}, {text: amount(float64(t.Up))},
		{text: amount(float64(t.Down))}, {text: perSecond(t.flow.known, t.flow.up)}, {text: perSecond(t.flow.known, t.flow.down)},
		{text: named(t.Backend)}, {text: orDash(sent(t.Host))}, {text: orDash(sent(t.Path))}, {text: orDash(named(t.Affinity))},
		{text: orDash(sent(t.TLS))}, {text: orDash(named(t.Engine))},
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// facts are all that is known of a session, by lines.
func (t *tunnel) facts() [][2]string {
	return [][2]string{
		{"id", sent(t.ID)},
		{"client", sent(t.Client)},
		{"listener", named(t.Listener)},
		{"backend", named(t.Pool + "/" + t.Backend)},
		{"affinity", orDash(named(t.Affinity))},
		{"host", orDash(sent(t.Host))},
		{"request", orDash(strings.TrimSpace(sent(t.Method + " " + t.Path)))},
		{"tls", orDash(sent(t.TLS))},
		{"sni", orDash(sent(t.SNI))},
		{"engine", orDash(named(t.Engine))},
		{"age", span(time.Duration(t.Age))},
		{"idle", span(time.Duration(t.Idle))},
		{"up", count(t.Up) + " bytes, " + perSecond(t.flow.known, t.flow.up) + " a second"},
		{"down", count(t.Down) + " bytes, " + perSecond(t.flow.known, t.flow.down) + " a second"},
	}
}
