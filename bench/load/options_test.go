package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"fairlead/bench/backend"
)

// TestOpenWithOptions comes from another address, says who it is, and asks for more than a path.
func TestOpenWithOptions(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := &sources{Listener: l, seen: make(chan string, 1)}
	serve(t, seen)
	target := NewTarget(Options{Addresses: []string{l.Addr().String()}, Host: "chat.example.org", Timeout: testTimeout})
	tunnel, opened, err := target.Open(t.Context(), Request{
		Path: backend.PathSink + "?think=1ms", Header: "Cookie: sid=1\r\n", Source: netip.MustParseAddr("127.0.0.77"), Number: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	if opened.TLS != nil || opened.Header.Get("Upgrade") != "websocket" {
		t.Errorf("got %+v", opened)
	}
	sent := 0
	if err := tunnel.Upload(t.Context(), backend.Order{Offset: 7, Count: 200_000}, func(n int) error { sent += n; return nil }); err != nil {
		t.Error(err)
	}
	if sent != 200_000 {
		t.Errorf("%d bytes were told of", sent)
	}
	if err := tunnel.Close(); err != nil {
		t.Error(err)
	}
	if got := <-seen.seen; got != "127.0.0.77" {
		t.Errorf("came from %s", got)
	}
}

// sources notes where connections come from.
type sources struct {
	net.Listener
	seen chan string
}

func (s *sources) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err == nil {
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		s.seen <- host
	}
	return conn, err
}

// TestOpenErrorSaysWhere has openings fail at each of their stages but the offer.
func TestOpenErrorSaysWhere(t *testing.T) {
	l, secure := listen(t, nil)
	serve(t, l)
	plain := plainTarget(l.Addr().String())
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	tests := []struct {
		name   string
		target Target
		path   string
		want   Stage
		status int
	}{
		{name: "nobody listens", target: plainTarget(gone.Addr().String()), want: StageConnect},
		{name: "no TLS", target: plain, path: "/", want: StageUpgrade},
		{name: "refused", target: secure, path: "/?think=soon", want: StageUpgrade, status: 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := tt.target.Open(t.Context(), Request{Path: tt.path})
			var open *OpenError
			if !errors.As(err, &open) || open.Stage != tt.want || tt.status != 0 && open.Status != tt.status {
				t.Errorf("got %v, want stage %s", err, tt.want)
			}
		})
	}
}

// TestOpenEndsWithItsContext has a target that accepts and says nothing.
func TestOpenEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 1)) // the request has come
		cancel()
		_, _ = conn.Read(make([]byte, 1<<10))
	}()
	if _, _, err := plainTarget(l.Addr().String()).Open(ctx, Request{Path: "/"}); err == nil {
		t.Error("opened")
	}
	<-done
}

func TestMergeAndSummary(t *testing.T) {
	first, second := NewLatencies(), NewLatencies()
	for range 98 {
		first.Record(time.Millisecond)
	}
	second.Record(100 * time.Millisecond)
	second.Record(time.Hour)
	first.Merge(second)
	s := first.Summary()
	near := func(got, want float64) bool { return got > want*0.99 && got < want*1.01 }
	if s.Count != 100 || !near(s.P50, 1) || !near(s.P99, 100) || !near(s.Max, 60_000) || len(s.Curve) == 0 {
		t.Errorf("got %+v", s)
	}
	if empty := NewLatencies().Summary(); empty.Count != 0 || empty.Curve != nil {
		t.Errorf("of nothing: %+v", empty)
	}
}

func TestWalkLeavesNothingOut(t *testing.T) {
	var last int
	start := time.Now()
	Walk(t.Context(), start, 1000, 50*time.Millisecond, func(k int, due time.Time) {
		if time.Now().Before(due) {
			t.Errorf("number %d came early", k)
		}
		last = k
	})
	if last != 49 {
		t.Errorf("the last is number %d", last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	Walk(ctx, start, 1000, time.Hour, func(int, time.Time) { t.Error("called after its context had ended") })
}
