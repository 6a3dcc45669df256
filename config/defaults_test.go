package config

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// TestDefaults gives every value of a file that says as little as it can.
func TestDefaults(t *testing.T) {
	got, err := Load("testdata/good/minimal.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Listeners: []Listener{{
			Name:          ":8080",
			Bind:          []string{":8080"},
			Protocol:      ProtocolHTTP,
			ProxyProtocol: ProxyProtocol{Accept: AcceptProxyOff, MaxBytes: 4096},
			TLS:           ListenerTLS{Mode: TLSOff, MinVersion: "1.2", HandshakeTimeout: 10 * time.Second, SessionTickets: true},
			Head: Head{
				Timeout: 10 * time.Second, MaxBytes: 16384, MaxRequestLine: 8192, MaxHeaders: 128,
				Forwarded: ForwardedOff, ForwardedUntrusted: SpoofedDrop,
			},
			Pool:           "chat",
			IdleTimeout:    time.Hour,
			FinTimeout:     30 * time.Second,
			TCPKeepalive:   15 * time.Second,
			TCPUserTimeout: 2 * time.Minute,
		}},
		Pools: []Pool{{
			Name:    "chat",
			Balance: BalanceMaglev,
			Affinity: Affinity{
				Keys: []string{"source_ip"}, TTL: time.Hour, Capacity: 1_000_000, IPv4Prefix: 32, IPv6Prefix: 64,
			},
			ConnectTimeout:    5 * time.Second,
			Retries:           2,
			RetryBudget:       0.2,
			AnswerTimeout:     30 * time.Second,
			SendProxyProtocol: SendProxyOff,
			TLS:               PoolTLS{Mode: PoolTLSOff, MinVersion: "1.2"},
			TCPKeepalive:      15 * time.Second,
			TCPUserTimeout:    2 * time.Minute,
			PanicThreshold:    0.1,
			OnDown:            OnDownClosePaced,
			CloseRate:         100,
			Queue:             Queue{Size: 1024, Timeout: 5 * time.Second},
			Drain:             Drain{Pinned: true},
			Health: Health{
				Type: HealthTCP, Interval: 5 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 2, Fall: 3,
				Start: HealthStartUp, Method: "GET", Path: "/", ExpectStatus: "200-399",
			},
			Ejection: Ejection{
				ConnectFailures: 1, AnswerFailures: 5, FailureRate: 0.5, Window: 10 * time.Second, MinAttempts: 20,
				Time: 10 * time.Second, MaxTime: 5 * time.Minute, MaxShare: 0.5,
			},
			Backends: []Backend{{Name: "10.0.0.10:8000", Address: "10.0.0.10:8000", Weight: 100}},
		}},
		Relay: Relay{EventLoop: SwitchAuto, Record: SwitchAuto, Splice: SwitchAuto, KTLS: SwitchAuto},
		DNS: DNS{
			Timeout: 2 * time.Second, MinTTL: time.Second, MaxTTL: 5 * time.Minute, Retry: 5 * time.Second, MaxRecords: 256,
		},
		Admin:    Admin{MaxConnections: 256, Streams: 16, History: 16 << 20},
		Log:      Log{Level: "info", Format: "console", Sessions: SessionsClose, SessionsRate: 1000},
		Shutdown: Shutdown{Grace: 30 * time.Second},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestWrittenZerosStay(t *testing.T) {
	cfg, err := Load("testdata/good/zeros.yml")
	if err != nil {
		t.Fatal(err)
	}
	l, p := cfg.Listeners[0], cfg.Pools[0]
	for name, d := range map[string]time.Duration{
		"idle_timeout": l.IdleTimeout, "fin_timeout": l.FinTimeout, "max_age": l.MaxAge, "tcp_keepalive": l.TCPKeepalive,
		"tcp_user_timeout": l.TCPUserTimeout, "ttl": p.Affinity.TTL, "pool's tcp_keepalive": p.TCPKeepalive,
		"pool's tcp_user_timeout": p.TCPUserTimeout, "grace": cfg.Shutdown.Grace,
	} {
		if d != 0 {
			t.Errorf("%s is %v", name, d)
		}
	}
	if p.Retries != 0 || p.RetryBudget != 0 || p.Backends[0].Weight != 0 {
		t.Errorf("retries %d, retry_budget %v, weight %d", p.Retries, p.RetryBudget, p.Backends[0].Weight)
	}
	if l.TLS.HandshakeTimeout != day || p.Backends[1].Weight != 100 {
		t.Errorf("beside zeros: handshake_timeout %v, weight %d", l.TLS.HandshakeTimeout, p.Backends[1].Weight)
	}
}

func TestDefaultKeysFollowBalance(t *testing.T) {
	for _, c := range []struct {
		name, pool string
		want       []string
	}{
		{"maglev", "balance: maglev", []string{"source_ip"}},
		{"rendezvous", "balance: rendezvous", []string{"source_ip"}},
		{"maglev with an empty list", "balance: maglev, affinity: {keys: []}", []string{"source_ip"}},
		{"least_conn", "balance: least_conn", nil},
		{"round_robin", "balance: round_robin", nil},
		{"round_robin with keys", "balance: round_robin, affinity: {keys: [source_ip]}", []string{"source_ip"}},
		{"maglev with keys", "affinity: {keys: ['cookie:a']}", []string{"cookie:a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := Parse("f.yml", []byte("listeners: [{bind: [':1'], pool: p}]\npools: [{name: p, backends: [{address: 'a:1'}], "+c.pool+"}]\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.Pools[0].Affinity.Keys; !reflect.DeepEqual(got, c.want) {
				t.Errorf("keys are %q, want %q", got, c.want)
			}
		})
	}
}

func TestRequestLineFollowsHead(t *testing.T) {
	for _, c := range []struct {
		name, head string
		want       Size
	}{
		{"larger head", "max_bytes: 64KiB", 8 << 10},
		{"smaller head", "max_bytes: 4KiB", 4 << 10},
		{"both written", "max_bytes: 4KiB, max_request_line: 1KiB", 1 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := Parse("f.yml", []byte("listeners: [{bind: [':1'], pool: p, head: {"+c.head+"}}]\npools: [{name: p, backends: [{address: 'a:1'}]}]\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.Listeners[0].Head.MaxRequestLine; got != c.want {
				t.Errorf("max_request_line is %v, want %v", got, c.want)
			}
		})
	}
}

// TestValuesArrive reads a file that has every key and compares what is not a default.
func TestValuesArrive(t *testing.T) {
	cfg, err := Load("testdata/good/sections.yml")
	if err != nil {
		t.Fatal(err)
	}
	l, p := cfg.Listeners[0], cfg.Pools[0]
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"proxy_protocol", l.ProxyProtocol, ProxyProtocol{
			Accept: AcceptProxyRequired, MaxBytes: 536,
			Trusted: prefixes("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "2001:db8::7/128", "172.16.0.0/12", "192.0.2.9/32"),
		}},
		{"tls", l.TLS, ListenerTLS{
			Mode: TLSTerminate, Certificates: []Certificate{{"a.pem", "a.key"}, {"b.pem", "b.key"}},
			MinVersion: "1.3", ClientCA: "ca.pem", HandshakeTimeout: 10 * time.Second,
		}},
		{"head", l.Head, Head{
			Timeout: 1500 * time.Millisecond, MaxBytes: 4096, MaxRequestLine: 4096, MaxHeaders: 64, Forwarded: ForwardedRFC7239,
			ForwardedTrusted: prefixes("10.0.0.0/8"), ForwardedUntrusted: SpoofedAppend, PerRequest: true,
		}},
		{"routes", l.Routes, []Route{
			{Host: "*.example.org", Pool: "users"},
			{Host: "192.0.2.1", PathPrefix: "/a/%20b", SNI: "a.example", Pool: "users"},
		}},
		{"max_age", l.MaxAge, 12 * time.Hour},
		{"max_connections", l.MaxConnections, 1000},
		{"shards", l.Shards, 4},
		{"keepalive", l.TCPKeepalive, time.Minute},
		{"user timeout", l.TCPUserTimeout, 125 * time.Minute},
		{"affinity", p.Affinity, Affinity{
			Keys: []string{"client_cert", "path:3", "sni", "cookie:__Host-sid"}, TTL: 36 * time.Hour,
			Capacity: 100_000_000, IPv4Prefix: 24, IPv6Prefix: 48, HashKey: "a secret of all edges",
		}},
		{"pool's tls", p.TLS, PoolTLS{
			Mode: PoolTLSOn, ServerName: "users.internal", CA: "internal.pem", Cert: "edge.pem", Key: "edge.key", MinVersion: "1.3",
		}},
		{"source", p.Source, []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("2001:db8::2")}},
		{"retries", p.Retries, 100},
		{"retry_budget", p.RetryBudget, 0.5},
		{"connect_timeout", p.ConnectTimeout, 250 * time.Millisecond},
		{"answer_timeout", p.AnswerTimeout, 90 * time.Second},
		{"send_proxy_protocol", p.SendProxyProtocol, SendProxyV2},
		{"backends", p.Backends, []Backend{
			{"u0", "users-0.internal:8443", 1000, 50000, false}, {"u1", "[2001:db8::10]:8443", 1, 0, false},
		}},
		{"bounds", []any{p.LoadFactor, p.PanicThreshold, p.SlowStart, p.OnDown}, []any{1.25, 0.5, time.Minute, OnDownClose}},
		{"queue", p.Queue, Queue{10, 3 * time.Second}},
		{"drain", p.Drain, Drain{false, time.Minute, 2 * time.Minute}},
		{"health", p.Health, Health{
			Type: HealthHTTP, Interval: 10 * time.Second, FastInterval: 500 * time.Millisecond, Timeout: time.Second, Rise: 3, Fall: 4,
			Start: HealthStartDown, Port: 9000, Method: "HEAD", Path: "/up?full=1", Host: "users:80", ExpectStatus: "200,204", ExpectBody: "^ok$",
		}},
		{"ejection", p.Ejection, Ejection{0, 7, 0.25, time.Minute, 50, time.Second, time.Hour, 0.3}},
		{"dns", cfg.DNS, DNS{[]string{"10.0.0.53", "[2001:db8::53]:5353"}, time.Second, 100 * time.Millisecond, time.Hour, time.Second, 1000}},
		{"relay", cfg.Relay, Relay{SwitchAuto, SwitchOff, SwitchOff, SwitchOff, 2}},
		{"log", cfg.Log, Log{"debug", "json", SessionsBoth, 50, "/var/log/fairlead.log"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !reflect.DeepEqual(c.got, c.want) {
				t.Errorf("got  %+v\nwant %+v", c.got, c.want)
			}
		})
	}
}

func TestAnchorsArrive(t *testing.T) {
	cfg, err := Load("testdata/good/anchors.yml")
	if err != nil {
		t.Fatal(err)
	}
	edge, second, third := cfg.Listeners[0], cfg.Listeners[1], cfg.Listeners[2]
	if second.Name != "second" || second.Bind[0] != ":444" || second.IdleTimeout != 2*time.Hour || second.FinTimeout != 2*time.Hour || second.Pool != "chat" {
		t.Errorf("a map merged in: %+v", second)
	}
	if third.IdleTimeout != 5*time.Minute || third.Pool != "web" || !reflect.DeepEqual(third.Routes, edge.Routes) {
		t.Errorf("a list of maps merged in, earlier ones first: %+v", third)
	}
	if !reflect.DeepEqual(cfg.Pools[0].Backends, cfg.Pools[1].Backends) {
		t.Errorf("an alias of a list: %+v", cfg.Pools[1].Backends)
	}
}
