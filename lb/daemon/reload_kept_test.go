package daemon

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"
	"testing"

	"fairlead/lb"
	"fairlead/lb/admin"
)

// TestReloadCertificates: another certificate is in use at once, and clients resume what they had.
func TestReloadCertificates(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	const tlsOn = "tls: {mode: terminate, certificates: [{cert: CERT, key: KEY}]}"
	e := startEdge(t, oneHTTP(tlsOn, "", a.addr()))
	cache := tls.NewLRUClientSessionCache(4)
	handshake := func(version uint16, name string) tls.ConnectionState {
		t.Helper()
		p := e.dial("edge")
		c := tls.Client(p.Conn, &tls.Config{RootCAs: e.roots, ServerName: name, ClientSessionCache: cache, MaxVersion: version})
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		x := newPeer(t, c)
		x.send(upgrade)
		up := a.accept()
		up.want(upgrade)
		up.send(switching)
		x.want(switching) // with it TLS 1.3's ticket
		echoes(x, up)
		return c.ConnectionState()
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		handshake(version, "localhost")
		otherCert, otherKey, pem := writeCertificate(t, "other.test")
		e.roots.AppendCertsFromPEM(pem)
		e.reload(oneHTTP(fmt.Sprintf("tls: {mode: terminate, min_version: \"1.2\", certificates: [{cert: CERT, key: KEY}, {cert: %s, key: %s}]}", otherCert, otherKey), "", a.addr()))
		if !handshake(version, "localhost").DidResume {
			t.Errorf("%s: not resumed after a reload", tls.VersionName(version))
		}
		if s := handshake(version, "other.test"); s.DidResume || s.PeerCertificates[0].DNSNames[0] != "other.test" {
			t.Error("the new certificate is not used")
		}
		e.reload(oneHTTP(tlsOn, "", a.addr()))
		cache = tls.NewLRUClientSessionCache(4)
	}
	if n := len(e.d.Certificates()); n != 1 {
		t.Errorf("%d sets of certificates", n)
	}
}

// TestReloadRest: limits, levels, the admin API, and what waits for a restart.
func TestReloadRest(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	socket := "unix:" + t.TempDir() + "/admin.sock"
	base := oneHTTP("", "", a.addr())
	e := startEdge(t, base)
	e.awaitRunning()
	e.reload(base + "admin: {listen: \"" + socket + "\"}\nlog: {format: json, sessions: \"off\"}\nrelay: {loops: 1}\n")
	if got := e.d.AdminAddrs(); len(got) != 1 || got[0].Network() != "unix" {
		t.Errorf("admin at %v", got)
	}
	if n := e.logs.FilterMessage("a change takes effect when the process starts anew").Len(); n != 2 {
		t.Errorf("%d warnings of a restart, want 2", n)
	}
	c, up := e.tunnel(a, upgrade)
	_, _ = c.Close(), up.Close()
	eventually(t, "ended", func() bool { return e.frontend("edge").Open() == 0 })
	if n := e.logs.FilterMessage("session").Len(); n != 0 {
		t.Errorf("%d session lines", n)
	}
	e.reload(strings.Replace(base, "pool: p", "pool: p\n    max_connections: 1", 1))
	if got := e.d.AdminAddrs(); len(got) != 0 {
		t.Errorf("admin still at %v", got)
	}
	if _, err := os.Stat(strings.TrimPrefix(socket, "unix:")); err == nil {
		t.Error("the admin socket is left")
	}
	c, up = e.tunnel(a, upgrade)
	waiting := e.dial("edge")
	waiting.send(upgrade)
	eventually(t, "said to be full", func() bool { return e.logs.FilterMessageSnippet("no session is free").Len() > 0 })
	a.none()
	e.reload(base)
	far := a.accept() // the bound is gone
	far.want(upgrade)
	echoes(c, up)
}

// TestReloadKeepsCounts: what a process has counted since its start does not go back when a listener goes.
func TestReloadKeepsCounts(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	base := oneHTTP("", "", a.addr())
	at := "admin: {listen: \"unix:" + t.TempDir() + "/admin.sock\"}\n"
	e := startEdge(t, base+at)
	e.awaitRunning()
	api := caller{t: t, network: "unix", at: e.d.AdminAddrs()[0].String()}
	for range 3 {
		c, up := e.tunnel(a, upgrade)
		_, _ = c.Close(), up.Close()
	}
	eventually(t, "ended", func() bool { return e.frontend("edge").Open() == 0 })
	e.reload(strings.Replace(base, "name: edge", "name: other", 1) + at)
	eventually(t, "gone", func() bool { return len(e.d.Frontends()) == 1 })
	var st admin.Status
	if api.must("GET", "/v1/status", "", &st); st.Arrived != 3 || st.Listeners != 1 {
		t.Errorf("%+v", st)
	}
	ended := uint64(0)
	for _, n := range e.d.Departed().Ended {
		ended += n
	}
	if ended != 3 {
		t.Errorf("%d sessions have ended, want 3", ended)
	}
}

// TestReloadSources: a source that stays is left alone, one that comes is asked first, one that goes takes its backends along.
func TestReloadSources(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	list := t.TempDir() + "/backends.yml"
	write := func(name string, to *backend) {
		if err := os.WriteFile(list, fmt.Appendf(nil, "backends:\n  - {name: %s, address: %q}\n", name, to.addr()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("x", b)
	e := startEdge(t, oneHTTP("", byCookie, a.addr()))
	c, up := e.tunnel(a, upgrade)
	fromFile := oneHTTP("", byCookie, "file:"+list)
	e.reload(strings.Replace(fromFile, "name: b0, ", "", 1))
	c2, up2 := e.tunnel(b, upgrade)
	s := e.d.state().sources[0]
	e.reload(strings.Replace(fromFile, "name: b0, ", "", 1) + "log: {level: warn}\n")
	if e.d.state().sources[0] != s {
		t.Error("a source that is the same was begun anew")
	}
	write("y", a)
	eventually(t, "the file is followed", func() bool { return len(e.pool("p").Backends()) == 1 && e.pool("p").Backends()[0].Name == "y" })
	e.rewrite("broken")
	if _, err := e.d.Reload(t.Context(), false); err == nil {
		t.Error("no error")
	}
	e.reload(oneHTTP("", byCookie, b.addr()))
	c3, up3 := e.tunnel(b, upgrade)
	if len(e.d.Sources()) != 0 || len(e.pool("p").Backends()) != 1 {
		t.Errorf("%d sources, %d backends", len(e.d.Sources()), len(e.pool("p").Backends()))
	}
	for _, pair := range [][2]*peer{{c, up}, {c2, up2}, {c3, up3}} {
		echoes(pair[0], pair[1])
	}
}

// TestReloadKeepsOrders that the admin API gave, until the file says otherwise.
func TestReloadKeepsOrders(t *testing.T) {
	a, b := startBackend(t, "tcp", "127.0.0.1:0"), startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP("", "", a.addr(), b.addr()))
	e.awaitRunning()
	p := e.pool("p")
	if err := p.SetWeight("b0", 7); err != nil {
		t.Fatal(err)
	}
	if err := p.Drain("b1", lb.DrainOptions{}); err != nil {
		t.Fatal(err)
	}
	state := func() (int, lb.State) { s := p.Status().Backends; return s[0].Options.Weight, s[1].State }
	e.reload(oneHTTP("", "retries: 1", a.addr(), b.addr()))
	if w, s := state(); w != 7 || s != lb.StateDraining {
		t.Errorf("weight %d, %v", w, s)
	}
	e.reload(strings.Replace(oneHTTP("", "retries: 1", a.addr(), b.addr()), "{name: b0", "{weight: 50, name: b0", 1))
	if w, s := state(); w != 50 || s != lb.StateDraining {
		t.Errorf("weight %d, %v", w, s)
	}
}

// TestReloadHealth: what checks have found stays when they change.
func TestReloadHealth(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	const quick = "health: {type: tcp, interval: 50ms, fast_interval: 10ms, timeout: 1s, fall: 1, rise: 1}"
	e := startEdge(t, oneHTTP("", quick+"\non_down: keep", a.addr(), deadAddr(t)))
	p := e.pool("p")
	down := func() bool { return p.Status().Backends[1].State == lb.StateDown }
	eventually(t, "down", down)
	e.reload(oneHTTP("", strings.Replace(quick, "interval: 50ms", "interval: 1h", 1), a.addr(), p.Backends()[1].Options().Addresses[0].String()))
	if !down() {
		t.Error("forgotten")
	}
	e.reload(oneHTTP("", "", a.addr(), p.Backends()[1].Options().Addresses[0].String()))
	if s := p.Status().Backends[1]; s.State != lb.StateUp || s.Checked {
		t.Errorf("without checks: %v", s.State)
	}
	e.reload(oneHTTP("", quick, a.addr(), p.Backends()[1].Options().Addresses[0].String()))
	eventually(t, "down again", down)
}
