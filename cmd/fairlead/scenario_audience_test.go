package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// audience is many clients with open tunnels, each with an identity of its own. They notice everything that a person would:
// that the tunnel breaks, that it hangs, how long it takes to get in again.
type audience struct {
	t       *testing.T
	address string
	tls     *tls.Config // nil: in clear
	beat    time.Duration
	stop    chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	clients []*member
	breaks  []breakage
	refused []string // answers that were no 101
	longest time.Duration
}

// member is one client.
type member struct {
	id   string
	home string // backend; "": it is on its way
}

// breakage is a tunnel that ended, or hung for longer than people wait.
type breakage struct {
	client, backend string
	at              time.Time
	err             error
}

// hangs is after how long without an answer a client calls its tunnel dead.
const hangs = 20 * time.Second

// assemble opens n tunnels at an edge and keeps them busy until the test ends.
func assemble(t *testing.T, n int, address string, secure *tls.Config) *audience {
	t.Helper()
	c := &audience{t: t, address: address, tls: secure, beat: 2 * time.Second, stop: make(chan struct{})}
	opened := make(chan struct{}, n)
	gate := make(chan struct{}, 50) // so many arrive at a time
	for i := range n {
		m := &member{id: fmt.Sprintf("client-%d", i)}
		c.clients = append(c.clients, m)
		c.running.Go(func() { c.live(m, gate, opened) })
	}
	t.Cleanup(c.disperse)
	for range n {
		select {
		case <-opened:
		case <-time.After(2 * patience):
			t.Fatal("not all tunnels could be opened")
		}
	}
	return c
}

// disperse ends all clients.
func (c *audience) disperse() {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.running.Wait()
}

func (c *audience) stopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// live keeps one client connected.
func (c *audience) live(m *member, gate chan struct{}, opened chan<- struct{}) {
	first := true
	for !c.stopped() {
		gate <- struct{}{}
		began := time.Now()
		conn, home, err := c.enter(m.id)
		took := time.Since(began)
		<-gate
		c.mu.Lock()
		c.longest = max(c.longest, took)
		if err != nil {
			c.refused = append(c.refused, fmt.Sprintf("%s after %v: %v", m.id, took, err))
		}
		m.home = home
		c.mu.Unlock()
		if err != nil {
			c.pause(time.Duration(100+rand.IntN(200)) * time.Millisecond)
			continue
		}
		if first {
			opened <- struct{}{}
			first = false
		}
		err = c.talk(conn)
		_ = conn.Close()
		if c.stopped() {
			return
		}
		c.mu.Lock()
		m.home = ""
		c.breaks = append(c.breaks, breakage{m.id, home, time.Now(), err})
		c.mu.Unlock()
	}
}

func (c *audience) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.stop:
	}
}

// enter opens a tunnel and learns which backend it is on.
func (c *audience) enter(id string) (net.Conn, string, error) {
	conn, err := net.DialTimeout("tcp", c.address, hangs)
	if err != nil {
		return nil, "", err
	}
	if c.tls != nil {
		conn = tls.Client(conn, c.tls)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * hangs))
	r := bufio.NewReaderSize(conn, 256)
	_, err = io.WriteString(conn, "GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nCookie: sid="+id+"\r\n\r\n")
	var lines []string
	for err == nil && (len(lines) == 0 || lines[len(lines)-1] != "\r\n") {
		var line string
		line, err = r.ReadString('\n')
		lines = append(lines, line)
	}
	if err == nil && !strings.HasPrefix(lines[0], "HTTP/1.1 101 ") {
		err = fmt.Errorf("answered %q", strings.TrimSpace(lines[0]))
	}
	home := ""
	if err == nil {
		home, err = r.ReadString('\n')
	}
	if err != nil {
		_ = conn.Close()
		return nil, "", err
	}
	return conn, strings.TrimSpace(home), nil
}

// talk sends a beat now and then, which must come back, until the tunnel breaks or the crowd disperses.
func (c *audience) talk(conn net.Conn) error {
	var beat, echo [8]byte
	first := time.Duration(rand.Int64N(int64(c.beat)))
	for {
		_ = conn.SetDeadline(time.Now().Add(first))
		if _, err := conn.Read(echo[:1]); err == nil {
			return fmt.Errorf("a byte came that nobody sent")
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err // noticed while nothing was said
		}
		first = c.beat
		if c.stopped() {
			return nil
		}
		_ = conn.SetDeadline(time.Now().Add(hangs))
		for i := range beat {
			beat[i] = byte(rand.Uint32())
		}
		if _, err := conn.Write(beat[:]); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, echo[:]); err != nil {
			return err
		}
		if echo != beat {
			return fmt.Errorf("sent % x, came back % x", beat, echo)
		}
	}
}

// homes counts the clients of each backend; "" are those on their way.
func (c *audience) homes() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := map[string]int{}
	for _, m := range c.clients {
		n[m.home]++
	}
	return n
}

// settled waits until every client has a tunnel, none of them on a backend that is not to have any.
func (c *audience) settled(t *testing.T, not ...string) {
	t.Helper()
	eventually(t, "every client has a tunnel, and none on "+strings.Join(not, ", "), func() bool {
		homes := c.homes()
		for _, name := range append(not, "") {
			if homes[name] > 0 {
				return false
			}
		}
		return true
	})
}

// check looks at what the clients noticed: tunnels broke only on backends of which excused says so, and nobody waited for
// longer than most.
func (c *audience) check(t *testing.T, most time.Duration, excused func(b breakage) bool) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	broke := map[string]int{}
	for _, b := range c.breaks {
		broke[b.backend]++
		if !excused(b) {
			t.Errorf("%s lost its tunnel to %s, which was well: %v", b.client, b.backend, b.err)
		}
	}
	t.Logf("%d clients, %d tunnels broke on %d backends, %d were refused, the longest wait was %v",
		len(c.clients), len(c.breaks), len(broke), len(c.refused), c.longest)
	if c.longest > most {
		t.Errorf("a client waited for %v; the configured timeouts add up to %v", c.longest, most)
	}
}

// noneRefused checks that every client that came was let in.
func (c *audience) noneRefused(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.refused) > 0 {
		t.Errorf("%d were refused, such as %s", len(c.refused), c.refused[0])
	}
}

// busiest is the backend with the most clients.
func (c *audience) busiest() string {
	homes := c.homes()
	names := slices.Sorted(maps.Keys(homes))
	return slices.MaxFunc(names, func(a, b string) int { return homes[a] - homes[b] })
}

// only excuses one backend.
func only(name string) func(breakage) bool { return func(b breakage) bool { return b.backend == name } }

// stickyPool is a listener and a pool over backends with identities in a cookie, and more keys for the pool.
func stickyPool(items []string, keys string) string {
	return fmt.Sprintf(`
listeners:
  - {name: edge, bind: ["127.0.0.1:0"], pool: chat}
pools:
  - name: chat
    affinity: {keys: ["cookie:sid"]}
    connect_timeout: 2s
    answer_timeout: 3s
    backends: %s
%slog: {format: json, level: info, sessions: off}
shutdown: {grace: 0s}
`, listYAML(items), indented(keys))
}

// longestWait is what the timeouts of stickyPool add up to, and something for a busy machine.
const longestWait = 3*2*time.Second + 3*time.Second + 5*time.Second

func indented(keys string) string {
	var b strings.Builder
	for line := range strings.Lines(keys) {
		b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}
