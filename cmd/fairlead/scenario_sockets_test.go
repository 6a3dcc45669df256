package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// activated gives a command sockets and the environment that tells of them, as systemd does (sd_listen_fds(3)).
func activated(t *testing.T, argv []string, sockets ...net.Listener) *exec.Cmd {
	t.Helper()
	var names []string
	var files []*os.File
	for i, s := range sockets {
		f, err := s.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		files = append(files, f)
		names = append(names, fmt.Sprintf("socket%d", i))
	}
	script := fmt.Sprintf(`export LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s; exec "$@"`, len(sockets), strings.Join(names, ":"))
	cmd := exec.Command("sh", append([]string{"-c", script, "sh"}, argv...)...)
	cmd.ExtraFiles = files
	return cmd
}

// bound listens, and stays after the process that is given the socket has closed it.
func bound(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestSocketsAreGiven: clients that came before the process are served, on TCP of both families and on a unix socket, and
// those that come while it restarts by the next process. The admin API answers on a socket that was made for it.
func TestSocketsAreGiven(t *testing.T) {
	t.Parallel()
	p := startPit(t, "b0")
	dir := t.TempDir()
	v4, v6 := bound(t, "tcp4", "127.0.0.1:0"), bound(t, "tcp6", "[::1]:0")
	local, admin := bound(t, "unix", filepath.Join(dir, "edge.sock")), bound(t, "unix", filepath.Join(dir, "admin.sock"))
	binds := fmt.Sprintf("bind: [%q, %q, %q]", v4.Addr(), v6.Addr(), "unix:"+local.Addr().String())
	settings := strings.Replace(stickyPool([]string{p.item()}, ""), `bind: ["127.0.0.1:0"]`, binds, 1) +
		fmt.Sprintf("admin: {listen: %q}\n", "unix:"+admin.Addr().String())
	if !strings.Contains(settings, binds) {
		t.Fatalf("no bind to replace in\n%s", settings)
	}
	file := filepath.Join(dir, "edge.yaml")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var waiting []net.Conn
		for _, l := range []net.Listener{v4, v6, local} {
			c, err := net.Dial(l.Addr().Network(), l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			waiting = append(waiting, c)
		}
		e := &edge{companion: accompany(t, activated(t, []string{program(t), "run", "-c", file}, v4, v6, local, admin)), addresses: map[string][]string{}}
		for _, c := range waiting {
			upgraded(t, c)
		}
		if r := runTool(t, "", program(t), "status", "-c", file); r.status != 0 || !strings.Contains(r.stdout, "sessions") {
			t.Errorf("status: %+v", r)
		}
		e.stop(t)
		for _, path := range []string{local.Addr().String(), admin.Addr().String()} {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("the file of a socket that is not fairlead's was removed: %v", err)
			}
		}
	}
}

// upgraded asks for a tunnel and gets one.
func upgraded(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, upgradeRequest); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answer %+v, %v", answer, err)
	}
}

// TestSocketsAreToldOnce: processes that this one starts are told of none.
func TestSocketsAreToldOnce(t *testing.T) {
	names := []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}
	for _, name := range names {
		t.Setenv(name, "0")
	}
	if files := givenSockets(); len(files) != 0 {
		t.Errorf("sockets %v of another process were taken", files)
	}
	for _, name := range names {
		if value, set := os.LookupEnv(name); set {
			t.Errorf("%s=%s is left", name, value)
		}
	}
}

// TestSocketsThatNobodyWants end the start, with their addresses: clients would wait there for ever.
func TestSocketsThatNobodyWants(t *testing.T) {
	t.Parallel()
	p := startPit(t, "b0")
	file := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(file, []byte(stickyPool([]string{p.item()}, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	lost := bound(t, "tcp", "127.0.0.1:0")
	e := launch(t, activated(t, []string{program(t), "run", "-c", file}, lost))
	if got := e.exit(t); got != statusFailed {
		t.Errorf("status %d", got)
	}
	if said := e.stderr.all(); !strings.Contains(said, lost.Addr().String()+" (socket0)") || !strings.Contains(said, "socket unit") {
		t.Errorf("it says %q", said)
	}
}

// TestSocketsOfTwoBinds end the start: two names of one address would share the socket, and each client gets one of the two
// listeners by chance.
func TestSocketsOfTwoBinds(t *testing.T) {
	t.Parallel()
	p := startPit(t, "b0")
	shared := bound(t, "tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(shared.Addr().String())
	file := filepath.Join(t.TempDir(), "edge.yaml")
	binds := fmt.Sprintf(`bind: ["127.0.0.1:%s", "localhost:%s"]`, port, port)
	text := strings.Replace(stickyPool([]string{p.item()}, ""), `bind: ["127.0.0.1:0"]`, binds, 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e := launch(t, activated(t, []string{program(t), "run", "-c", file}, shared))
	if got := e.exit(t); got != statusFailed {
		t.Errorf("status %d", got)
	}
	if said := e.stderr.all(); !strings.Contains(said, `"localhost:`+port+`"`) || !strings.Contains(said, `"127.0.0.1:`+port+`"`) {
		t.Errorf("it says %q", said)
	}
}

// TestSocketsOutliveReloads: one that a reload takes away is there for another that brings it back, with who waited
// meanwhile; and it is neither shared nor given up when the number of shards changes.
func TestSocketsOutliveReloads(t *testing.T) {
	t.Parallel()
	p := startPit(t, "b0")
	first, second := bound(t, "tcp", "127.0.0.1:0"), bound(t, "tcp", "127.0.0.1:0")
	file := filepath.Join(t.TempDir(), "edge.yaml")
	socket := "unix:" + filepath.Join(t.TempDir(), "admin.sock")
	write := func(binds string) {
		t.Helper()
		settings := strings.Replace(stickyPool([]string{p.item()}, ""), `bind: ["127.0.0.1:0"]`, binds, 1) + fmt.Sprintf("admin: {listen: %q}\n", socket)
		if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	both := fmt.Sprintf("bind: [%q, %q]", first.Addr(), second.Addr())
	write(both)
	e := &edge{companion: accompany(t, activated(t, []string{program(t), "run", "-c", file}, first, second)), addresses: map[string][]string{}}
	e.stderr.await(t, second.Addr().String())
	reload := func(binds string) {
		t.Helper()
		write(binds)
		if r := runTool(t, "", program(t), "reload", "--admin", socket); r.status != 0 {
			t.Fatalf("reload: %+v", r)
		}
	}
	call := func(l net.Listener) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	upgraded(t, call(second))
	reload(fmt.Sprintf("bind: [%q]", first.Addr()))
	waiting := call(second)
	upgraded(t, call(first))
	reload(both + ", shards: 4, tcp_user_timeout: 1m")
	upgraded(t, waiting)
	reload(both + ", shards: 1")
	upgraded(t, call(first))
	upgraded(t, call(second))
	e.stop(t)
}
