package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
)

// validator checks what the rules of single fields cannot: references, duplicates, and what must go together.
// Where a value already has a mistake, the checks that need it are left out.
type validator struct {
	*report
	cfg   *Config
	marks map[string]mark

	refused   []string         // paths of keys that must not be there
	poolNames []string         // sorted; nil if some cannot be known
	leading   map[string][]int // by the name of a pool, the listeners that lead to it
}

// validate checks the whole configuration.
func (v *validator) validate() {
	v.index()
	v.listeners()
	v.pools()
	v.relay()
	v.dns()
	v.admin()
}

// given reports whether the file has a value at path.
func (v *validator) given(path string) bool {
	_, ok := v.marks[path]
	return ok
}

// fail notes a mistake of the value at path, or of the nearest one around it that was written.
func (v *validator) fail(path, format string, args ...any) {
	var at spot
	for up, more := path, true; more && at == (spot{}); up, more = parent(up) {
		at = v.marks[up].value
	}
	v.add(at, path, format, args...)
}

// refuse notes that the key at path must not be there.
func (v *validator) refuse(path, format string, args ...any) {
	v.refused = append(v.refused, path)
	v.add(v.marks[path].key, path, format, args...)
}

// allSound reports whether none of the keys at path has a mistake.
func (v *validator) allSound(path string, keys ...string) bool {
	for _, key := range keys {
		if !v.sound(child(path, key)) {
			return false
		}
	}
	return true
}

// index notes the names of pools and who leads to them.
func (v *validator) index() {
	v.leading = make(map[string][]int)
	for i := range v.cfg.Listeners {
		l := &v.cfg.Listeners[i]
		to := map[string]struct{}{l.Pool: {}}
		for j := range l.Routes {
			to[l.Routes[j].Pool] = struct{}{}
		}
		for pool := range to {
			v.leading[pool] = append(v.leading[pool], i)
		}
	}
	for i := range v.cfg.Pools {
		if !v.sound(child(element("pools", i), "name")) {
			v.poolNames = nil // the one that cannot be read may be the one that a route means
			return
		}
		v.poolNames = append(v.poolNames, v.cfg.Pools[i].Name)
	}
	slices.Sort(v.poolNames)
	v.poolNames = slices.Compact(v.poolNames)
}

// ledger notes what was used where, to tell of a second use.
type ledger map[string]string

// taken reports where key was used before; the first use is noted.
func (l ledger) taken(key, path string) (string, bool) {
	first, ok := l[key]
	if !ok {
		l[key] = path
	}
	return first, ok
}

// name checks a name that was written.
func (v *validator) name(path, name string) {
	const most = 128
	bad := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
	switch {
	case !v.given(path) || !v.sound(path) || name == "":
	case len(name) > most:
		v.fail(path, "%s is too long a name; at most %d bytes", shorten(name), most)
	case strings.ContainsFunc(name, bad):
		v.fail(path, "%s is not a name; leave out spaces and what cannot be printed", shorten(name))
	}
}

// reference checks that a pool with that name exists.
func (v *validator) reference(path, name string) {
	if name == "" || !v.sound(path) {
		return
	}
	if _, ok := slices.BinarySearch(v.poolNames, name); ok || len(v.poolNames) == 0 {
		return
	}
	v.fail(path, "there is no pool %s; pools: %s%s", shorten(name), strings.Join(v.poolNames, ", "), maybe(name, v.poolNames))
}

// relay checks that there are event loops to count.
func (v *validator) relay() {
	if r := &v.cfg.Relay; r.EventLoop == SwitchOff && r.Loops > 0 && v.allSound("relay", "event_loop", "loops") {
		v.refuse("relay.loops", "has no use with event_loop: off; set event_loop: auto, or remove the key")
	}
}

// admin checks where the admin API listens, which must be out of reach for strangers.
func (v *validator) admin() {
	a := &v.cfg.Admin
	if at := "admin.listen"; a.Listen != "" && v.sound(at) {
		if parsed, err := parseAddress(a.Listen); err != nil {
			v.fail(at, "%v", err)
		} else if parsed.unix == "" {
			v.fail(at, `%v is no unix socket; write "unix:/run/fairlead/admin.sock", and a loopback address in tcp`, parsed)
		}
	}
	if at := "admin.tcp"; a.TCP != "" && v.sound(at) {
		parsed, err := parseAddress(a.TCP)
		ip, notIP := netip.ParseAddr(parsed.host)
		switch {
		case err != nil:
			v.fail(at, "%v", err)
		case parsed.unix != "" || notIP != nil || !ip.IsLoopback():
			v.fail(at, `%v is no loopback address; write "127.0.0.1:9090" or "[::1]:9090"`, parsed)
		}
	}
	if v.allSound("admin", "max_connections", "streams") && a.MaxConnections <= a.Streams {
		v.fail("admin.max_connections", "is %d, and streams alone may have %d; give more, so that commands get through", a.MaxConnections, a.Streams)
	}
	switch {
	case !v.allSound("admin", "tcp", "token_file"):
	case a.TCP != "" && a.TokenFile == "":
		v.fail("admin.token_file", "is missing; tcp answers only who sends a token")
	case a.TCP == "" && a.TokenFile != "":
		v.refuse("admin.token_file", "has no use without tcp; the unix socket asks for no token")
	}
}

// noRepeats checks that a list of texts has none twice.
func noRepeats[T any](v *validator, path string, list []T) {
	used := make(ledger)
	for i, item := range list {
		at := element(path, i)
		if !v.sound(at) {
			continue
		}
		if first, dup := used.taken(fmt.Sprint(item), at); dup {
			v.fail(at, "is the same as %s; remove one", first)
		}
	}
}
