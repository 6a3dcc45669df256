package daemon

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"fairlead/config"
	"fairlead/lb/termination"
)

const tlsEdge = "tls: {mode: terminate, certificates: [{cert: CERT, key: KEY}]}"

func TestShutdownClosesPolitelyAfterTheGrace(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, oneHTTP(tlsEdge, "answer_timeout: 1h", b.addr()))
	c, _ := e.dialTLS("edge", "localhost")
	c.send(upgrade)
	up := b.accept()
	up.want(upgrade)
	up.send(switching)
	c.want(switching)
	waiting, _ := e.dialTLS("edge", "localhost") // an arrival: its backend has not answered
	waiting.send(upgrade)
	b.accept().want(upgrade)
	e.stop()
	c.wantEOF() // with close_notify
	waiting.wantAnswer(503)
	up.wantEOF()
	e.wantCause(0, termination.Shutdown)
	e.wantCause(1, termination.Shutdown)
}

// TestShutdownSaysNothingToAHandshake: HTTP in clear would be noise to a client that speaks TLS.
func TestShutdownSaysNothingToAHandshake(t *testing.T) {
	e := startEdge(t, oneHTTP(tlsEdge, "", deadAddr(t)))
	c := e.dial("edge")
	c.send("\x16\x03\x01\x02\x00")
	waitOpen(t, e, 1)
	e.stop()
	c.wantEOF()
	e.wantCause(0, termination.Shutdown)
}

func TestShutdownWaitsForSessions(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, strings.Replace(oneHTTP("", "", b.addr()), "grace: 0s", "grace: 1h", 1))
	addr := e.d.Addrs("edge")[0].String()
	c, up := e.tunnel(b, upgrade)
	e.stop()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) { // the port is closed soon
		probe, err := net.Dial("tcp", addr)
		if err != nil {
			break
		}
		_ = probe.Close()
		if time.Now().After(end) {
			t.Fatal("still accepting")
		}
	}
	c.send("still here")
	up.want("still here")
	_ = c.Close()
	_ = up.Close()
	select {
	case err := <-e.done:
		e.done <- err
	case <-time.After(patience):
		t.Fatal("Run does not end with its last session")
	}
	if n := len(e.logs.FilterMessage("shut down").All()); n != 1 {
		t.Errorf("%d lines tell of the shutdown", n)
	}
}

func TestErrorsBeforeAnythingStarts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, tc := range []struct{ name, yaml, want string }{
		{"port taken", strings.Replace(oneHTTP("", "", "127.0.0.1:1"), "127.0.0.1:0", taken.Addr().String(), 1), "in use"},
		{"no certificate", oneHTTP("tls: {mode: terminate, certificates: [{cert: /nowhere/c.pem, key: /nowhere/k.pem}]}", "", "127.0.0.1:1"), "/nowhere/c.pem"},
		{"no authority", oneHTTP("", "tls: {mode: \"on\", ca: /nowhere/ca.pem}", "127.0.0.1:1"), "/nowhere/ca.pem"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := config.Parse("test.yaml", []byte(tc.yaml))
			if err != nil {
				t.Fatal(err)
			}
			if _, err = New(c, zap.NewNop()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one about %q", err, tc.want)
			}
		})
	}
}

// TestFailedStartReleasesWhatWasBound: the first listener binds, the second cannot.
func TestFailedStartReleasesWhatWasBound(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	free := deadAddr(t)
	c, err := config.Parse("test.yaml", fmt.Appendf(nil, `
listeners:
  - {name: a, bind: [%q], pool: p}
  - {name: b, bind: [%q], pool: p}
pools: [{name: p, backends: [{address: "127.0.0.1:1"}]}]
`, free, taken.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(c, zap.NewNop()); err == nil {
		t.Fatal("a taken port was bound")
	}
	again, err := net.Listen("tcp", free)
	if err != nil {
		t.Fatalf("the first port is still bound: %v", err)
	}
	_ = again.Close()
}

func TestSessionLinesAtOpenToo(t *testing.T) {
	b := startBackend(t, "tcp", "127.0.0.1:0")
	e := startEdge(t, one("tcp", "", "", b.addr())+"log: {sessions: both}\n")
	c := e.dial("edge")
	c.send("x")
	up := b.accept()
	up.want("x")
	if n := len(e.logs.FilterMessage("session open").All()); n != 1 {
		t.Errorf("%d lines at open", n)
	}
	_ = c.Close()
	_ = up.Close()
	e.session(0)
}
