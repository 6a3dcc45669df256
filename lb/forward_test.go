package lb

import (
	"net/netip"
	"testing"

	"fairlead/lb/peek"
)

// parseHead parses a whole request head for a test.
func parseHead(t *testing.T, raw string) *peek.Head {
	t.Helper()
	var h peek.Head
	h.Reset(peek.Limits{})
	if done, err := h.Parse([]byte(raw)); !done || err != nil {
		t.Fatalf("head %q: done=%v err=%v", raw, done, err)
	}
	return &h
}

func TestForward(t *testing.T) {
	v4 := client{addr: netip.MustParseAddr("192.0.2.7"), proto: "https", host: "chat.example.org:8443"}
	v6 := client{addr: netip.MustParseAddr("2001:db8::7"), proto: "http", host: "h"}
	unix := client{proto: "http", host: "h"}
	for _, tc := range []struct {
		name  string
		extra string // header lines the client sent besides Host
		kind  Forwarded
		c     client
		keep  bool
		want  string // lines after Host
	}{
		{
			name: "x added", kind: ForwardedX, c: v4,
			want: "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: chat.example.org:8443\r\n",
		},
		{
			name: "x spoofed dropped", kind: ForwardedX, c: v4,
			extra: "X-Forwarded-For: 1.1.1.1\r\nCookie: a=b\r\nx-forwarded-FOR: 2.2.2.2\r\nX-Forwarded-Proto: gopher\r\n",
			want:  "Cookie: a=b\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: chat.example.org:8443\r\n",
		},
		{
			name: "x lookalikes dropped", kind: ForwardedX, c: unix,
			extra: "X_Forwarded_For: 1.1.1.1\r\nX-Forwarded_host: x\r\nX_Other: y\r\n",
			want:  "X_Other: y\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n",
		},
		{
			name: "x trusted appended in one line", kind: ForwardedX, c: v4, keep: true,
			extra: "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: outer\r\n",
			want:  "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: outer\r\n",
		},
		{
			name: "x without address", kind: ForwardedX, c: unix,
			want: "X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n",
		},
		{
			name: "rfc7239 v6 is quoted", kind: ForwardedRFC7239, c: v6,
			want: "Forwarded: for=\"[2001:db8::7]\";proto=http;host=\"h\"\r\n",
		},
		{
			name: "rfc7239 unknown", kind: ForwardedRFC7239, c: unix,
			want: "Forwarded: for=unknown;proto=http;host=\"h\"\r\n",
		},
		{
			name: "rfc7239 appended", kind: ForwardedRFC7239, c: v4, keep: true, extra: "Forwarded: for=9.9.9.9\r\n",
			want: "Forwarded: for=9.9.9.9, for=192.0.2.7;proto=https;host=\"chat.example.org:8443\"\r\n",
		},
		{
			name: "rfc7239 spoofed dropped", kind: ForwardedRFC7239, c: v4, extra: "Forwarded: for=9.9.9.9\r\nA: b\r\n",
			want: "A: b\r\nForwarded: for=192.0.2.7;proto=https;host=\"chat.example.org:8443\"\r\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw := "GET /x?y HTTP/1.1\r\nHost: a\r\n" + tc.extra + "\r\n"
			head := parseHead(t, raw)
			var r rewrite
			r.forward(head, tc.kind, tc.c, tc.keep)
			want := "GET /x?y HTTP/1.1\r\nHost: a\r\n" + tc.want + "\r\n"
			if got := string(r.apply(head, []byte(raw))); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestPerRequestRewrite(t *testing.T) {
	for _, tc := range []struct {
		name, extra, want string
		upgrade           bool
	}{
		{name: "keep-alive replaced", extra: "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nA: b\r\n", want: "A: b\r\nConnection: close\r\n"},
		{name: "nothing sent", want: "Connection: close\r\n"},
		{name: "upgrade untouched", upgrade: true, extra: "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n", want: "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"},
		{name: "upgrade named", upgrade: true, extra: "Upgrade: websocket\r\n", want: "Upgrade: websocket\r\nConnection: upgrade\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			raw := "GET / HTTP/1.1\r\nHost: a\r\n" + tc.extra + "\r\n"
			head := parseHead(t, raw)
			var r rewrite
			if tc.upgrade {
				r.askForUpgrade(head)
			} else {
				r.closeAfterAnswer(head)
			}
			want := "GET / HTTP/1.1\r\nHost: a\r\n" + tc.want + "\r\n"
			if got := string(r.apply(head, []byte(raw))); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestHopByHopTrap(t *testing.T) {
	head := parseHead(t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, x-forwarded-for\r\nUpgrade: websocket\r\n\r\n")
	if !hopByHopTrap(head, ForwardedX) {
		t.Error("a Connection header that names X-Forwarded-For went unnoticed")
	}
	if hopByHopTrap(head, ForwardedRFC7239) || hopByHopTrap(head, ForwardedOff) {
		t.Error("a header that is not added is no trap")
	}
}
