package tlsterm

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"fairlead/tlsterm/selfsigned"
)

// become makes a terminator of other options and lets term be it.
func (l *lab) become(term *Terminator, change func(*Options)) {
	l.t.Helper()
	o := term.options
	o.Certificates = append([]KeyPairFiles{}, o.Certificates...)
	change(&o)
	next, err := New(o)
	must(l.t, err)
	term.Become(next)
}

// TestBecomeKeepsSessions whatever changes, but for the client CA and the tickets themselves; and what is resumed is detached.
func TestBecomeKeepsSessions(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(l *lab, o *Options)
		want   bool
	}{
		{"nothing", func(*lab, *Options) {}, true},
		{"another certificate", func(l *lab, o *Options) { o.Certificates = append(o.Certificates, l.pair("b", "b.test")) }, true},
		{"a certificate renewed", func(l *lab, _ *Options) { l.pair("a", "a.test") }, true},
		{"protocols", func(_ *lab, o *Options) { o.ALPN = []string{"h2", "http/1.1"} }, true},
		{"the CA in another file", func(l *lab, o *Options) { o.ClientCA = l.write("same.pem", l.ca.CertPEM()) }, true},
		{"another CA besides", func(l *lab, o *Options) { o.ClientCA = l.write("more.pem", l.twoAuthorities()) }, false},
		{"no CA", func(_ *lab, o *Options) { o.ClientCA = "" }, false},
		{"no tickets", func(_ *lab, o *Options) { o.SessionTickets = false }, false},
	} {
		for _, v := range versions {
			t.Run(tc.name+"/"+v.name, func(t *testing.T) {
				l := newLab(t)
				term := l.terminator(func(o *Options) { o.SessionTickets = true; o.ClientCA = l.caFile() })
				config := l.returning(v.version)
				config.Certificates = []tls.Certificate{l.clientPair("c", time.Hour)}
				visit(t, term, config)
				l.become(term, func(o *Options) { tc.change(l, o) })
				for i := range 2 { // the second one with a ticket of the new configuration
					client, server := mustMeet(t, term, config)
					if got, want := server.State().Resumed, tc.want || i > 0 && term.options.SessionTickets; got != want {
						t.Errorf("visit %d: resumed %t", i, got)
					}
					wantStd(t, server, Detached)
					echo(t, client, server)
					pingPong(t, detach(t, server), client)
				}
			})
		}
	}
}

func (l *lab) twoAuthorities() []byte {
	l.t.Helper()
	more, err := selfsigned.NewAuthority("another", time.Hour)
	must(l.t, err)
	return append(l.ca.CertPEM(), more.CertPEM()...)
}

// TestBecomeTakesOptions, each of them, and a session from before does not lead around them.
func TestBecomeTakesOptions(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.SessionTickets = true })
	old, away, modern := l.returning(tls.VersionTLS12), l.returning(tls.VersionTLS12), l.returning(tls.VersionTLS13)
	visit(t, term, old)
	visit(t, term, away)
	visit(t, term, modern)

	l.become(term, func(o *Options) { o.MinVersion = tls.VersionTLS13 })
	client, server, _ := meet(t, term, old)
	client.NetConn().Close()
	wantReason(t, server.err, ReasonUnsupportedVersion)
	if !visit(t, term, modern) {
		t.Error("the least version ended a session of a later one")
	}
	l.become(term, func(o *Options) { o.MinVersion = tls.VersionTLS12 })
	if !visit(t, term, away) { // the other forgot its session when it was refused
		t.Error("not resumed after the version was allowed again")
	}

	l.become(term, func(o *Options) { o.ALPN = []string{"h2"} })
	modern.NextProtos = []string{"h2", "http/1.1"}
	_, conn := mustMeet(t, term, modern)
	if s := conn.State(); s.ALPN != "h2" || !s.Resumed {
		t.Errorf("%q, resumed %t", s.ALPN, s.Resumed)
	}

	l.become(term, func(o *Options) { o.NoDetach = true })
	_, conn = mustMeet(t, term, modern)
	wantStd(t, conn, StdDisabled)

	l.become(term, func(o *Options) { o.Certificates = []KeyPairFiles{l.pair("c", "c.test")} })
	if got := term.Certificates(); len(got) != 1 || got[0].Names[0] != "c.test" {
		t.Errorf("%+v", got)
	}
	l.become(term, func(o *Options) { o.ClientCA = l.caFile() })
	other := &tls.Config{RootCAs: l.roots, ServerName: "c.test", ClientSessionCache: modern.ClientSessionCache}
	client, server, _ = meet(t, term, other)
	client.NetConn().Close()
	wantReason(t, server.err, ReasonClientCertRequired)
}

// TestTicketsOffAndOn: whoever switches tickets off is rid of them, those that were given out before too.
func TestTicketsOffAndOn(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			l := newLab(t)
			term := l.terminator(func(o *Options) { o.SessionTickets = true })
			config := l.returning(v.version)
			visit(t, term, config)
			l.become(term, func(o *Options) { o.SessionTickets = false })
			l.become(term, func(o *Options) { o.SessionTickets = true })
			if visit(t, term, config) {
				t.Error("a ticket from before")
			}
			if !visit(t, term, config) {
				t.Error("no ticket since")
			}
		})
	}
}

// TestBecomeThenReload and Watch: from then on the new files count.
func TestBecomeThenReload(t *testing.T) {
	l := newLab(t)
	term := l.terminator(nil)
	l.become(term, func(o *Options) { o.Certificates = []KeyPairFiles{l.pair("b", "b.test")} })
	l.pair("b", "c.test")
	must(t, term.Reload())
	if got := term.Certificates()[0].Names; len(got) != 1 || got[0] != "c.test" {
		t.Errorf("%v", got)
	}
	l.pair("b", "d.test")
	if e := term.refresh(); len(e) != 1 || e[0].Kind != Reloaded || e[0].Names[0] != "d.test" {
		t.Errorf("%+v", e)
	}
}

// TestBecomeUnderHandshakes is for the race detector: every handshake succeeds, as one or as the other.
func TestBecomeUnderHandshakes(t *testing.T) {
	l := newLab(t)
	term := l.terminator(func(o *Options) { o.SessionTickets = true })
	more := l.pair("b", "b.test")
	first := term.options.Certificates[0]
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			config := l.returning(versions[i%2].version)
			for {
				select {
				case <-done:
					return
				default:
				}
				client, server, err := meet(t, term, config)
				if err != nil || server.err != nil {
					t.Errorf("%v, %v", err, server.err)
					return
				}
				server.conn.Abort()
				client.NetConn().Close()
			}
		})
	}
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				term.Certificates()
				term.Warnings()
				term.refresh()
			}
		}
	})
	for i := range 40 {
		l.become(term, func(o *Options) {
			o.NoDetach, o.SessionTickets, o.ALPN = i%2 == 0, i%5 > 0, [][]string{{"http/1.1"}, {"h2"}}[i%2]
			o.Certificates = []KeyPairFiles{first, more}[:1+i%2]
		})
	}
	close(done)
	wg.Wait()
}

// TestClientBecome: a session is forgotten if a file has changed, and not otherwise.
func TestClientBecome(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			l := newLab(t)
			term := l.terminator(func(o *Options) { o.SessionTickets = true })
			address, listener := backendAt(t)
			c := l.client(nil, v.version)
			resumed := func() bool {
				t.Helper()
				c.current.Load().base.MaxVersion = v.version
				clientRaw, err := net.DialUnix("unix", nil, address)
				must(t, err)
				serverRaw, err := listener.AcceptUnix()
				must(t, err)
				client, server := join(t, term, c, clientRaw, serverRaw)
				_, err = server.Write([]byte("x"))
				must(t, err)
				wantRead(t, client, "x", nil) // with it comes the ticket
				must(t, client.Close())
				must(t, server.Close())
				return client.State().Resumed
			}
			become := func(change func(*ClientOptions)) bool {
				t.Helper()
				o := c.options
				change(&o)
				next, err := NewClient(o)
				must(t, err)
				return c.Become(next)
			}
			resumed()
			if !become(func(*ClientOptions) {}) || !resumed() {
				t.Error("forgotten, or refused, for nothing")
			}
			if become(func(o *ClientOptions) { o.ServerName = "b.test" }) || !resumed() {
				t.Error("other options: taken over, or forgotten")
			}
			l.write("ca.pem", l.twoAuthorities())
			if !become(func(*ClientOptions) {}) || len(c.Certificates()) != 2 {
				t.Error("another CA file was not taken over")
			}
			if resumed() {
				t.Error("a session from before the CA file changed")
			}
			if !resumed() {
				t.Error("no session since")
			}
		})
	}
}

// TestClientBecomeAfterABadFile: what the running one could not read is no reason to keep what it has.
func TestClientBecomeAfterABadFile(t *testing.T) {
	l := newLab(t)
	c := l.client(nil, tls.VersionTLS13)
	good, err := os.ReadFile(c.options.CA)
	must(t, err)
	l.write("ca.pem", []byte("not yet"))
	if e := c.refresh(); len(e) != 1 || e[0].Kind != Kept {
		t.Fatalf("%+v", e)
	}
	l.write("ca.pem", append(good, l.twoAuthorities()...))
	next, err := NewClient(c.options)
	must(t, err)
	if !c.Become(next) || len(c.Certificates()) < 2 {
		t.Errorf("%d authorities", len(c.Certificates()))
	}
}

// TestClientWatchDuringBecome is for the race detector.
func TestClientWatchDuringBecome(t *testing.T) {
	l := newLab(t)
	c := l.client(nil, tls.VersionTLS13)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := c.Watch(ctx, func(Event) {}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		l.write("ca.pem", l.twoAuthorities())
		next, err := NewClient(c.options)
		must(t, err)
		c.Become(next)
	}
	cancel()
	wg.Wait()
}
