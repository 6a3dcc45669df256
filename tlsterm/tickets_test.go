package tlsterm

import (
	"crypto/tls"
	"os"
	"testing"
	"time"

	"fairlead/tlsterm/selfsigned"
)

// returning is a client that keeps sessions.
func (l *lab) returning(version uint16) *tls.Config {
	config := l.config(version)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	return config
}

// visit does a handshake and lets the ticket arrive; it reports whether a session was resumed.
func visit(t *testing.T, term *Terminator, config *tls.Config) bool {
	t.Helper()
	client, server := mustMeet(t, term, config)
	echo(t, client, server)
	resumed := server.State().Resumed
	if client.ConnectionState().DidResume != resumed {
		t.Error("the two ends disagree about resumption")
	}
	must(t, server.Close())
	return resumed
}

func TestTickets(t *testing.T) {
	l := newLab(t)
	tickets := func(o *Options) { o.SessionTickets = true }
	with, without, other := l.terminator(tickets), l.terminator(nil), l.terminator(tickets)
	for _, tc := range []struct {
		name   string
		second *Terminator
		want   bool
	}{
		{"same terminator", with, true},
		{"another terminator", other, false},
		{"tickets off", without, false},
	} {
		for _, v := range versions {
			t.Run(tc.name+"/"+v.name, func(t *testing.T) {
				config := l.returning(v.version)
				if visit(t, with, config) {
					t.Error("resumed out of nothing")
				}
				if got := visit(t, tc.second, config); got != tc.want {
					t.Errorf("resumed %v, want %v", got, tc.want)
				}
			})
		}
	}
	config := l.returning(tls.VersionTLS13)
	visit(t, without, config)
	if visit(t, with, config) {
		t.Error("a terminator without tickets gave one")
	}
}

// Whatever is renewed, tickets stay good; only other client authorities end them.
func TestTicketsAndReload(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			l := newLab(t)
			ca := l.caFile()
			term := l.terminator(func(o *Options) { o.SessionTickets = true; o.ClientCA = ca })
			config := l.returning(v.version)
			config.Certificates = []tls.Certificate{l.clientPair("c", time.Hour)}
			visit(t, term, config)

			l.pair("a", "a.test")
			must(t, term.Reload())
			if !visit(t, term, config) {
				t.Error("a new server certificate ended the session")
			}

			more, err := selfsigned.NewAuthority("another", time.Hour)
			must(t, err)
			l.write("ca.pem", append(l.ca.CertPEM(), more.CertPEM()...)) // the client is as welcome as before
			must(t, term.Reload())
			if visit(t, term, config) {
				t.Error("the ticket outlived the authorities")
			}
			if !visit(t, term, config) {
				t.Error("no resumption under the new authorities")
			}
		})
	}
}

func TestResumedSessionKeepsClientCertificate(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			l := newLab(t)
			term := l.terminator(func(o *Options) { o.SessionTickets = true; o.ClientCA = l.caFile() })
			chains := 0
			term.config.Load().VerifyConnection = func(s tls.ConnectionState) error { chains = len(s.VerifiedChains); return nil }
			config := l.returning(v.version)
			config.Certificates = []tls.Certificate{l.clientPair("c", time.Hour)}
			client, server := mustMeet(t, term, config)
			echo(t, client, server)
			want := server.State().ClientFingerprint()
			_, again := mustMeet(t, term, config)
			s := again.State()
			if !s.Resumed || s.ClientFingerprint() != want || want == [32]byte{} {
				t.Errorf("resumed %v, fingerprint %x, want %x", s.Resumed, s.ClientFingerprint(), want)
			}
			if chains == 0 {
				t.Error("no verified chain")
			}
		})
	}
}

// A ticket does not make a client certificate last longer than it says.
func TestExpiryCountsOnResumption(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			l := newLab(t)
			term := l.terminator(func(o *Options) { o.SessionTickets = true; o.ClientCA = l.caFile() })
			var ahead time.Duration
			term.config.Load().Time = func() time.Time { return time.Now().Add(ahead) }
			config := l.returning(v.version)
			config.Certificates = []tls.Certificate{l.clientPair("c", 10*time.Minute)}
			visit(t, term, config)
			if !visit(t, term, config) {
				t.Fatal("not resumed while valid")
			}
			ahead = 20 * time.Minute
			client, server, _ := meet(t, term, config)
			client.NetConn().Close()
			wantReason(t, server.err, ReasonBadCertificate)
		})
	}
}

// A terminator that asks for no certificate must not resume what one with authorities began, nor the other way.
func TestTicketsDoNotCrossPolicies(t *testing.T) {
	l := newLab(t)
	open := l.terminator(func(o *Options) { o.SessionTickets = true })
	closed := l.terminator(func(o *Options) { o.SessionTickets = true; o.ClientCA = l.caFile() })
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			config := l.returning(v.version)
			visit(t, open, config)
			client, server, _ := meet(t, closed, config) // with its ticket, but no certificate
			client.NetConn().Close()
			wantReason(t, server.err, ReasonClientCertRequired)

			config.Certificates = []tls.Certificate{l.clientPair("c", time.Hour)}
			visit(t, closed, config)
			if visit(t, open, config) {
				t.Error("resumed without the policy it was made under")
			}
		})
	}
}

func TestReloadIsAllOrNothing(t *testing.T) {
	l := newLab(t)
	ca := l.caFile()
	term := l.terminator(func(o *Options) { o.ClientCA = ca })
	before := term.current.Load()
	l.pair("a", "a.test")
	must(t, os.Truncate(ca, 0))
	if err := term.Reload(); err == nil {
		t.Fatal("an empty CA file was accepted")
	}
	if term.current.Load() != before {
		t.Error("something changed")
	}
}
