package admin

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// pipes is a listener whose connections are in memory.
type pipes struct {
	come chan net.Conn
	once sync.Once
	gone chan struct{}
}

func newPipes(backlog int) *pipes {
	return &pipes{come: make(chan net.Conn, backlog), gone: make(chan struct{})}
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (p *pipes) Close() error   { p.once.Do(func() { close(p.gone) }); return nil }
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.come:
		return c, nil
	case <-p.gone:
		return nil, net.ErrClosed
	}
}

// dial leaves a connection in the backlog.
func (p *pipes) dial() net.Conn {
	mine, theirs := net.Pipe()
	p.come <- theirs
	return mine
}

// TestConnectionsAreBounded: those beyond wait in the kernel, where they cost no descriptor, until others have gone or more are allowed.
func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Edge: bare{}, Log: zap.NewNop(), Limits: Limits{Connections: 2}})
		l := newPipes(10)
		s.ServeTCP(l)
		var conns []net.Conn
		for range 6 {
			conns = append(conns, l.dial())
		}
		wait := func(what string, want int) {
			t.Helper()
			if synctest.Wait(); len(l.come) != want {
				t.Errorf("%s: %d wait, want %d", what, len(l.come), want)
			}
		}
		wait("two may be open", 4)
		_ = conns[0].Close()
		wait("one has gone", 3)
		s.SetLimits(Limits{Connections: 3})
		wait("three may be open", 2)
		s.SetLimits(Limits{Connections: 1})
		_, _ = conns[1].Close(), conns[2].Close()
		wait("there are as many as may be", 2)
		_ = conns[3].Close()
		wait("and now there are not", 1)
		go func() {
			_, _ = io.WriteString(conns[4], "GET /dashboard/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		}()
		if r, err := http.ReadResponse(bufio.NewReader(conns[4]), nil); err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("%v, %v", r, err)
		} else if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		wait("an answer was the last one", 0)
		s.Leave(l)
		s.Close()
		_ = conns[5].Close()
	})
}

// TestCloseAtTheBound does not wait for those that wait.
func TestCloseAtTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Edge: bare{}, Log: zap.NewNop(), Limits: Limits{Connections: 1}})
		l := newPipes(10)
		s.ServeTCP(l)
		one, two := l.dial(), l.dial()
		synctest.Wait()
		s.Close()
		_, _ = one.Close(), two.Close()
		if len(l.come) != 1 {
			t.Errorf("%d wait, want 1", len(l.come))
		}
	})
}

// TestFaultsAreTold: a request that panics has an answer, and a line in the log. net/http alone would keep it to itself.
func TestFaultsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.DebugLevel)
		s := New(Options{Edge: nil, Log: zap.New(core)}) // each look at it panics
		l := newPipes(1)
		s.SetToken("a-token-of-the-test")
		s.ServeTCP(l)
		c := l.dial()
		go func() {
			_, _ = io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a-token-of-the-test\r\nConnection: close\r\n\r\n")
		}()
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || r.StatusCode != http.StatusInternalServerError {
			t.Errorf("%v, %v", r, err)
		} else if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		_ = c.Close()
		s.Close()
		if list := lines.FilterMessageSnippet("panic").All(); len(list) != 1 || list[0].ContextMap()["path"] != "/v1/status" {
			t.Errorf("%v", lines.All())
		}
	})
}
