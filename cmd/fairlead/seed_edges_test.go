package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// seedFolder has the configuration of NGINX and the one of fairlead that replaces it.
var seedFolder = filepath.Join("..", "..", "examples", "nginx-websocket")

// seedEdge is either of the two, as a client meets it.
type seedEdge struct {
	m       *material
	backend *seedBackend
	network string
	address string
}

// seedPair is both in front of one backend.
type seedPair struct{ nginx, fairlead *seedEdge }

// startSeedPair runs both with the files of the example, in which only places are replaced, and the idle timeout.
func startSeedPair(t *testing.T, backend *seedBackend, idle string) seedPair {
	t.Helper()
	m := newMaterial(t)
	pair := m.server(t, "localhost", "chat.example.org")
	socket := filepath.Join(t.TempDir(), "nginx.sock")
	conf := seedFile(t, "nginx.conf", map[string]string{
		"http {":                  nginxPlaces(t),
		"listen 443 ssl":          "listen unix:" + socket + " ssl", // NGINX does not tell which free port it took
		"/etc/nginx/cert.pem":     pair.cert,
		"/etc/nginx/key.pem":      pair.key,
		"127.0.0.1:8000":          backend.address,
		"proxy_http_version 1.1;": "proxy_http_version 1.1; proxy_read_timeout " + idle + ";",
	})
	startNGINX(t, conf, socket)
	yaml := seedFile(t, "fairlead.yaml", map[string]string{
		`":443"`:                 `"127.0.0.1:0"`,
		"/etc/fairlead/cert.pem": pair.cert,
		"/etc/fairlead/key.pem":  pair.key,
		"127.0.0.1:8000":         backend.address,
		"idle_timeout: 60s":      "idle_timeout: " + idle,
	})
	e := startEdge(t, yaml)
	return seedPair{
		nginx:    &seedEdge{m, backend, "unix", socket},
		fairlead: &seedEdge{m, backend, "tcp", e.address(t, "websocket")},
	}
}

// seedFile reads a file of the example and replaces places in it, all of which must be there.
func seedFile(t *testing.T, name string, places map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(seedFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	var replacements []string
	for from, to := range places {
		if !strings.Contains(string(text), from) {
			t.Fatalf("%s has no %q any more", name, from)
		}
		replacements = append(replacements, from, to)
	}
	return strings.NewReplacer(replacements...).Replace(string(text))
}

// nginxPlaces keeps NGINX from writing to the places of an installed one.
func nginxPlaces(t *testing.T) string {
	t.Helper()
	places := "http {\n    access_log off;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		places += fmt.Sprintf("    %s_temp_path %s;\n", kind, filepath.Join(t.TempDir(), kind))
	}
	return places
}

// startNGINX runs the nginx of this machine until the test ends.
func startNGINX(t *testing.T, conf, socket string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	main := "daemon off; pid " + filepath.Join(dir, "nginx.pid") + ";"
	p := accompany(t, exec.Command("nginx", "-e", "stderr", "-p", dir, "-c", file, "-g", main))
	t.Cleanup(func() { // killed, it would leave its workers behind
		if !p.gone() {
			p.signal(t, syscall.SIGTERM)
			p.exit(t)
		}
	})
	eventually(t, "nginx listens", func() bool {
		if p.gone() {
			t.Fatal("nginx ended")
		}
		conn, err := net.Dial("unix", socket)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// dial connects in clear, within the patience of the test.
func (e *seedEdge) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial(e.network, e.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ask sends a request over TLS.
func (e *seedEdge) ask(t *testing.T, request string) *tls.Conn {
	t.Helper()
	conn := tls.Client(e.dial(t), &tls.Config{RootCAs: e.m.roots(), ServerName: "chat.example.org"})
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answer reads an answer with its body.
func answer(t *testing.T, r io.Reader) (a *http.Response, body string) {
	t.Helper()
	buffered, ok := r.(*bufio.Reader)
	if !ok {
		buffered = bufio.NewReader(r)
	}
	a, err := http.ReadResponse(buffered, nil)
	if err != nil {
		t.Fatalf("read an answer: %v", err)
	}
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatalf("read an answer's body: %v", err)
	}
	return a, string(text)
}

// status gives the status that a request is answered with.
func (e *seedEdge) status(t *testing.T, request string) string {
	t.Helper()
	a, _ := answer(t, e.ask(t, request))
	return fmt.Sprint(a.StatusCode)
}

// rest reads what comes until the end, and says whether TLS was ended in order.
func rest(conn *tls.Conn) (text, end string) {
	bytes, err := io.ReadAll(conn)
	if err != nil {
		return string(bytes), err.Error()
	}
	return string(bytes), "close_notify"
}
