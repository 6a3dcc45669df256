package drive

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/bench/backend"
	"fairlead/bench/scenario"
	"fairlead/bench/ws"
	"fairlead/tlsterm/selfsigned"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience is for a machine that is busy with something else.
const patience = scenario.Span(30 * time.Second)

// serve runs a backend until the test ends, with TLS if there is a configuration.
func serve(t *testing.T, s backend.Settings, secure *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return address
}

// certificate is one for localhost, and the file of it to trust.
func certificate(t *testing.T) (secure *tls.Config, file string) {
	t.Helper()
	cert, key, err := selfsigned.Make([]string{"localhost"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, file
}

// parse makes a scenario out of groups, short and patient.
func parse(t *testing.T, text string) scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte("name: test\nwarmup: 50ms\nduration: 300ms\ntimeout: "+patience.String()+"\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// drive runs an order, which must give a result.
func drive(t *testing.T, o Order) Result {
	t.Helper()
	result, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// clean wants a result without failures.
func clean(t *testing.T, r Result) {
	t.Helper()
	for kind, f := range r.Failures {
		t.Errorf("%d %s: %q", f.Count, kind, f.Examples)
	}
}

// TestShipped runs every shipped scenario, small and over TLS if it has that, and wants every group to have done something.
func TestShipped(t *testing.T) {
	secure, ca := certificate(t)
	address, plain := serve(t, backend.Settings{Name: "b0"}, secure), serve(t, backend.Settings{Name: "b1"}, nil)
	for _, name := range scenario.Names() {
		t.Run(name, func(t *testing.T) {
			s, err := scenario.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			s.Connections(4 * len(s.Groups))
			s.Rate(600)
			s.Warmup, s.Duration, s.Timeout = scenario.Span(100*time.Millisecond), scenario.Span(500*time.Millisecond), patience
			if name == "reload" {
				s.During = &scenario.During{Command: "true", Every: scenario.Span(100 * time.Millisecond)}
			}
			for i := range s.Groups {
				// A piece has to come to its end to be counted.
				if g := &s.Groups[i]; g.Bytes > 0 {
					g.Bytes, g.StallEvery = 64<<10, 0
					g.Stall = 0
				}
			}
			aim := Aim{URL: "wss://" + localhost(address), CA: ca}
			if s.TLS.Off {
				aim = Aim{URL: "ws://" + plain}
			}
			r := drive(t, Order{Scenario: s, Aim: aim})
			clean(t, r)
			for _, g := range r.Groups {
				if g.Does != scenario.Idle && g.Answered == 0 {
					t.Errorf("%s: nothing came back: %+v", g.Name, g)
				}
				if g.Does != scenario.Idle && g.Came == 0 {
					t.Errorf("%s: nothing came in the measured time: %+v", g.Name, g)
				}
				if g.Does != scenario.Connect && g.Open == 0 {
					t.Errorf("%s: no tunnel was open", g.Name)
				}
			}
			if name == "reload" && len(r.Commands) == 0 {
				t.Error("the command was not run")
			}
			if err := r.Write(t.Output()); err != nil {
				t.Error(err)
			}
		})
	}
}

// localhost is an address by the name that its certificate has.
func localhost(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return net.JoinHostPort("localhost", port)
}

func TestHandshakes(t *testing.T) {
	tests := []struct {
		name string
		tls  string
		want string // of the most frequent kind
	}{
		{name: "1.2", tls: `{version: "1.2", curve: X25519}`, want: "TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, X25519, full"},
		{name: "1.2 resumed", tls: `{version: "1.2", resume: true}`, want: "resumed"},
		{name: "1.3", tls: `{version: "1.3", curve: X25519}`, want: "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, full"},
		{name: "hybrid", tls: `{curve: X25519MLKEM768}`, want: "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519MLKEM768, full"},
		{name: "1.3 resumed", tls: `{version: "1.3", resume: true}`, want: "resumed"},
	}
	secure, ca := certificate(t)
	address := serve(t, backend.Settings{}, secure)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := parse(t, "tls: "+tt.tls+"\ngroups: [{does: connect, connections: 1, closed: true}]")
			r := drive(t, Order{Scenario: s, Aim: Aim{URL: "wss://" + localhost(address), CA: ca}})
			clean(t, r)
			most, kind := 0, ""
			for k, n := range r.Handshakes {
				if n > most {
					most, kind = n, k
				}
			}
			if !strings.Contains(kind, tt.want) {
				t.Errorf("handshakes %v, want most to be %s", r.Handshakes, tt.want)
			}
		})
	}
}

// TestOfferIsDemanded has a target that does not know the curve.
func TestOfferIsDemanded(t *testing.T) {
	secure, ca := certificate(t)
	secure.MaxVersion = tls.VersionTLS12
	address := serve(t, backend.Settings{}, secure)
	for _, offer := range []string{`{version: "1.3"}`, `{curve: X25519MLKEM768}`} {
		s := parse(t, "tls: "+offer+"\ngroups: [{does: idle, connections: 1}]")
		if _, err := Run(t.Context(), Order{Scenario: s, Aim: Aim{URL: "wss://" + localhost(address), CA: ca}}); !errors.Is(err, ErrNothingOpened) {
			t.Errorf("%s: got %v", offer, err)
		}
	}
}

func TestClosedLoops(t *testing.T) {
	address := serve(t, backend.Settings{}, nil)
	s := parse(t, `groups: [{name: a, does: echo, connections: 3, closed: true, lifetime: 100ms}, {name: b, does: connect, connections: 3, closed: true}]`)
	r := drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + address}})
	clean(t, r)
	for _, g := range r.Groups {
		if g.Loop != "closed" || g.Answered == 0 || g.Latency.Count != g.Answered || g.Offered < g.Answered {
			t.Errorf("got %+v", g)
		}
	}
}

// TestLargeMessages are more than a tunnel takes at once, so its own goroutine writes them.
func TestLargeMessages(t *testing.T) {
	address := serve(t, backend.Settings{Think: time.Millisecond}, nil)
	s := parse(t, `groups: [{does: echo, connections: 2, rate: 100, sizes: [1MiB, 24]}]`)
	r := drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + address}})
	clean(t, r)
	if g := r.Groups[0]; g.Answered != g.Offered || g.Answered == 0 {
		t.Errorf("%d of %d came back", g.Answered, g.Offered)
	}
}

// TestLatencyIsFromTheIntendedTime has a backend that takes ten times as long for an answer as there is between two
// messages. A generator that waited for answers would see the time that one takes; who is due meanwhile sees much more.
func TestLatencyIsFromTheIntendedTime(t *testing.T) {
	const think = 50 * time.Millisecond
	address := serve(t, backend.Settings{Think: think}, nil)
	s := parse(t, `groups: [{does: echo, connections: 1, rate: 200}]`)
	r := drive(t, Order{Scenario: s, Aim: Aim{URL: "ws://" + address}})
	clean(t, r)
	if g := r.Groups[0]; g.Came > g.Answered/2 {
		t.Errorf("%d of %d answers came in the measured time, of a backend that cannot do that", g.Came, g.Answered)
	}
	if p50, least := r.Groups[0].Latency.P50, milliseconds(10*think); p50 < least {
		t.Errorf("the median is %.1f ms, and must be beyond %.1f", p50, least)
	}
}

func TestInterrupted(t *testing.T) {
	address := serve(t, backend.Settings{}, nil)
	s := parse(t, `
during: {command: "sleep 600"}
groups: [{does: echo, connections: 5, rate: 100}, {does: connect, connections: 5, rate: 100}, {does: download, connections: 1, bytes: 1GiB}]`)
	s.Duration = scenario.Span(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := Run(ctx, Order{Scenario: s, Aim: Aim{URL: "ws://" + address}, Tell: measuring(func(n int) {
		if n == 2 {
			cancel()
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	clean(t, r)
	if !r.Partial || r.Measured <= 0 || r.Measured > 600 || r.Groups[0].Answered == 0 {
		t.Errorf("partial %t, measured %.1f s, %+v", r.Partial, r.Measured, r.Groups[0])
	}
}

func TestNothingOpens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	s := parse(t, `groups: [{does: idle, connections: 3}]`)
	_, err = Run(t.Context(), Order{Scenario: s, Aim: Aim{URL: "ws://" + address}})
	if !errors.Is(err, ErrNothingOpened) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
}

func TestAim(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := parse(t, `groups: [{does: idle, connections: 1}]`)
	tests := []struct {
		name string
		aim  Aim
		want error
	}{
		{name: "HTTP", aim: Aim{URL: "https://localhost/"}, want: errURL},
		{name: "no host", aim: Aim{URL: "wss:///x"}, want: errURL},
		{name: "query", aim: Aim{URL: "ws://localhost/?a=b"}, want: errURL},
		{name: "no certificate", aim: Aim{URL: "wss://localhost/", CA: empty}, want: errCA},
		{name: "no file", aim: Aim{URL: "wss://localhost/", CA: empty + "x"}, want: os.ErrNotExist},
	}
	off := s
	off.TLS.Off = true
	if _, err := (Aim{URL: "wss://localhost/"}).take(t.Context(), off); !errors.Is(err, errOff) {
		t.Errorf("a scenario without TLS and a target with it: %v", err)
	}
	if _, err := (Aim{URL: "ws://localhost/"}).take(t.Context(), off); err != nil {
		t.Errorf("a scenario without TLS and a target without it: %v", err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.aim.take(t.Context(), s); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestTooManyConnections(t *testing.T) {
	s := parse(t, `groups: [{does: idle, connections: 1}]`)
	s.Groups[0].Connections = 9_000_000
	if err := checkLimits(s, 0, 1); err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("got %v", err)
	}
	if err := checkLimits(parse(t, `groups: [{does: idle, connections: 2}]`), 0, 0); err == nil || !strings.Contains(err.Error(), "--source") {
		t.Errorf("got %v", err)
	}
}

// TestNobodyThere gives up after a few, of many that would each wait.
func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepts nobody: the kernel does, and nothing comes back
	s := parse(t, "opening: {at_once: 4}\ngroups: [{does: idle, connections: 4000}]")
	s.Timeout = scenario.Span(200 * time.Millisecond)
	_, err = Run(t.Context(), Order{Scenario: s, Aim: Aim{URL: "ws://" + l.Addr().String()}})
	if !errors.Is(err, ErrNothingOpened) {
		t.Errorf("got %v", err)
	}
}

// TestIdleTunnelsHaveBeenUsed: each sends one ping when it is open, if it is not to send any more.
func TestIdleTunnelsHaveBeenUsed(t *testing.T) {
	var pongs atomic.Int64
	e := newEdge(t, serve(t, backend.Settings{}, nil), func(_ int, b []byte) []byte {
		if b[0] == 0x80|ws.OpPong {
			pongs.Add(1)
		}
		return b
	})
	clean(t, drive(t, Order{Scenario: parse(t, `groups: [{does: idle, connections: 5}]`), Aim: Aim{URL: "ws://" + e.address}}))
	if got := pongs.Load(); got != 5 {
		t.Errorf("%d pongs", got)
	}
}
