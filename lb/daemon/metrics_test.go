package daemon

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scrape returns the metrics by name with labels, as they are written.
func scrape(api caller) map[string]float64 {
	api.t.Helper()
	status, text := api.ask("GET", "/metrics", "", nil)
	if status != http.StatusOK {
		api.t.Fatalf("%d %s", status, text)
	}
	all := map[string]float64{}
	for line := range strings.Lines(text) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			if v, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64); err == nil {
				all[line[:i]] = v
			}
		}
	}
	return all
}

func TestMetrics(t *testing.T) {
	a := startBackend(t, "tcp", "127.0.0.1:0")
	e, api := withAdmin(t, oneHTTP(tlsEdge, byCookie+"\nretries: 0", a.addr()))
	c, _ := e.dialTLS("edge", "localhost")
	c.send(withCookie("x"))
	up := a.accept()
	up.want(withCookie("x"))
	up.send(switching)
	c.want(switching)
	c.send("12345")
	up.want("12345")
	bad := e.dial("edge")
	bad.send("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00") // a ClientHello of one byte
	_ = bad.head2()
	_ = bad.Close()
	e.session(0)
	wants := map[string]float64{
		`fairlead_build_info{version=""}`:                                                                             1,
		`fairlead_connections_total{listener="edge"}`:                                                                 2,
		`fairlead_sessions{listener="edge"}`:                                                                          1,
		`fairlead_tunnels{engine="record",listener="edge"}`:                                                           1,
		`fairlead_tunnels{engine="none",listener="edge"}`:                                                             0,
		`fairlead_listener_bytes_total{direction="up",listener="edge"}`:                                               5,
		`fairlead_sessions_ended_total{cause="client_handshake_failed",listener="edge",side="client"}`:                1,
		`fairlead_handshakes_total{listener="edge",resumed="false",suite="TLS_AES_128_GCM_SHA256",version="TLSv1.3"}`: 1,
		`fairlead_arrival_seconds_count{listener="edge",phase="tls"}`:                                                 1,
		`fairlead_arrival_seconds_count{listener="edge",phase="head"}`:                                                1,
		`fairlead_arrival_seconds_count{listener="edge",phase="connect"}`:                                             1,
		`fairlead_arrival_seconds_count{listener="edge",phase="answer"}`:                                              1,
		`fairlead_pool_eligible_backends{pool="p"}`:                                                                   1,
		`fairlead_affinity_pins{pool="p"}`:                                                                            1,
		`fairlead_affinity_hits_total{how="placed",pool="p"}`:                                                         1,
		`fairlead_backend_sessions{backend="b0",pool="p"}`:                                                            1,
		`fairlead_backend_tunnels{backend="b0",pool="p"}`:                                                             1,
		`fairlead_backend_state{backend="b0",pool="p",state="up"}`:                                                    1,
		`fairlead_backend_state{backend="b0",pool="p",state="down"}`:                                                  0,
		`fairlead_backend_connects_total{backend="b0",pool="p",result="ok"}`:                                          1,
		`fairlead_backend_bytes_total{backend="b0",direction="up",pool="p"}`:                                          5,
	}
	var all map[string]float64
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if all = scrape(api); all[`fairlead_backend_bytes_total{backend="b0",direction="up",pool="p"}`] == 5 {
			break // counted once they are sent
		}
	}
	for name, want := range wants {
		if got, ok := all[name]; !ok || got != want {
			t.Errorf("%s is %v (%t), not %v", name, got, ok, want)
		}
	}
	for _, prefix := range []string{
		"fairlead_certificate_expiry_timestamp_seconds{", "fairlead_handshakes_failed_total{", "fairlead_backend_ports_left{", "fairlead_sessions_limit{",
		`fairlead_loop_turn_seconds_sum{loop="0"}`, `fairlead_loop_turn_seconds_count{loop="0"}`, `fairlead_loop_lag_seconds{loop="0"}`,
		"go_goroutines", "go_sched_latencies_seconds_count", "process_open_fds", "process_max_fds",
	} {
		found := false
		for name, v := range all {
			found = found || strings.HasPrefix(name, prefix) && v > 0
		}
		if !found {
			t.Errorf("no %s", prefix)
		}
	}
	_, _ = c.Close(), up.Close()
	e.session(1)
	after := scrape(api)
	moved := float64(len(withCookie("x")) + 5)
	for name, want := range map[string]float64{
		`fairlead_backend_bytes_total{backend="b0",direction="up",pool="p"}`: moved,
		`fairlead_listener_bytes_total{direction="up",listener="edge"}`:      moved,
		`fairlead_backend_tunnels{backend="b0",pool="p"}`:                    0,
		`fairlead_tunnels{engine="none",listener="edge"}`:                    0,
		`fairlead_tunnels_moved_total{engine="record",listener="edge"}`:      1,
	} {
		if got, ok := after[name]; !ok || got != want {
			t.Errorf("%s is %v (%t) at the end, not %v", name, got, ok, want)
		}
	}
	ended := 0.0
	for name, n := range after {
		if strings.HasPrefix(name, "fairlead_backend_sessions_ended_total{") {
			ended += n
		}
	}
	if ended != 1 { // the other one never had a backend
		t.Errorf("%v sessions of the backend have ended", ended)
	}
}

// head2 reads what there is until the connection ends.
func (p *peer) head2() string {
	var b strings.Builder
	buf := make([]byte, 256)
	for {
		n, err := p.r.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// TestTrafficNeverGoesBack while tunnels come, move bytes and go.
func TestTrafficNeverGoesBack(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() { // ends with the listener
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer func() { _ = c.Close() }(); _, _ = io.Copy(c, c) }()
		}
	}()
	e, api := withAdmin(t, one("tcp", "", "", l.Addr().String()))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			c := e.dial("edge")
			c.send(strings.Repeat("x", 1000))
			c.closeWrite()
			_ = c.head2()
			_ = c.Close()
		}
	}()
	sums := [2]string{`fairlead_backend_bytes_total{backend="b0",direction="up",pool="p"}`, `fairlead_listener_bytes_total{direction="up",listener="edge"}`}
	last := [2]float64{-1, -1}
	for range 100 {
		all := scrape(api)
		for i, name := range sums {
			if v := all[name]; v < last[i] {
				t.Errorf("%s: %v after %v", name, v, last[i])
			}
			last[i] = all[name]
		}
	}
	close(stop)
	<-done
	if last[0] <= 0 || last[1] <= 0 {
		t.Errorf("counted: %v", last)
	}
}
