package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"fairlead/config"
)

// pageBlocks returns the blocks of a page of docs that have a language.
func pageBlocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?sm)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// swap replaces places in a text, all of which must be there.
func swap(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the page has no %q any more:\n%s", pairs[i], text)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// TestNGINXPage runs the configuration of docs/nginx.md and its translation, both in clear as they are there: what the map
// and the headers are for must come out the same.
func TestNGINXPage(t *testing.T) {
	t.Parallel()
	need(t, "nginx")
	backend := startSeedBackend(t)
	conf, translated := pageBlocks(t, "nginx.md", "nginx"), pageBlocks(t, "nginx.md", "yaml")
	if len(conf) != 1 || len(translated) != 2 {
		t.Fatalf("%d and %d blocks", len(conf), len(translated))
	}
	socket := filepath.Join(t.TempDir(), "nginx.sock")
	startNGINX(t, "events {}\n"+swap(t, conf[0], "http {\n", nginxPlaces(t), "listen 443", "listen unix:"+socket, "127.0.0.1:8000", backend.address), socket)
	e := startEdge(t, swap(t, translated[0], `":443"`, `"127.0.0.1:0"`, "127.0.0.1:8000", backend.address))
	for name, edge := range map[string]*seedEdge{
		"nginx":    {backend: backend, network: "unix", address: socket},
		"fairlead": {backend: backend, network: "tcp", address: e.address(t, "websocket")},
	} {
		t.Run(name, func(t *testing.T) {
			backend.forget()
			if got := clearTunnel(t, edge); got != "welcomeearly" {
				t.Errorf("the tunnel says %q", got)
			}
			backend.forget()
			conn := edge.dial(t)
			if _, err := io.WriteString(conn, get("/", "")); err != nil {
				t.Fatal(err)
			}
			answer(t, conn)
			if got := backend.request(t).header.Get("Connection"); got != "close" {
				t.Errorf("a plain request reaches the backend with Connection: %s", got)
			}
		})
	}
}

// clearTunnel asks for a WebSocket in clear, checks what the backend got, and returns what the tunnel says.
func clearTunnel(t *testing.T, e *seedEdge) string {
	t.Helper()
	conn := e.dial(t)
	if _, err := io.WriteString(conn, upgrade("/upgrade")+"early"); err != nil {
		t.Fatal(err)
	}
	if head := readHead(t, conn); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatal(head)
	}
	h := e.backend.request(t).header
	if h.Get("Upgrade") != "websocket" || !strings.Contains(strings.ToLower(h.Get("Connection")), "upgrade") || h.Get("Host") != "chat.example.org" {
		t.Errorf("the backend got %v", h)
	}
	text := make([]byte, len("welcomeearly"))
	if _, err := io.ReadFull(conn, text); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNGINXPageIsTheExample: the pair that TestSeedConfiguration compares is the page's, with TLS.
func TestNGINXPageIsTheExample(t *testing.T) {
	t.Parallel()
	translated := pageBlocks(t, "nginx.md", "yaml")
	whole, err := config.Parse("nginx.md", []byte(translated[1]))
	if err != nil {
		t.Fatal(err)
	}
	example, err := config.Load(filepath.Join(seedFolder, "fairlead.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	clear, err := config.Parse("nginx.md", []byte(translated[0]))
	if err != nil {
		t.Fatal(err)
	}
	clear.Listeners[0].TLS = example.Listeners[0].TLS
	if !reflect.DeepEqual(clear, example) {
		t.Error("the first translation with TLS is not the example")
	}
	if !reflect.DeepEqual(whole.Listeners[0].TLS, example.Listeners[0].TLS) {
		t.Error("TLS of the second translation is not the example's")
	}
}

// TestGettingStarted does with docs/getting-started.md what it tells to do: the clients named there are where it says.
func TestGettingStarted(t *testing.T) {
	t.Parallel()
	m := newMaterial(t)
	pair := m.loopback(t)
	dir := t.TempDir()
	text := pageBlocks(t, "getting-started.md", "yaml")[0]
	e := startEdge(t, swap(t, text, "127.0.0.1:8443", "127.0.0.1:0", "cert.pem", pair.cert, "key.pem", pair.key,
		"127.0.0.1:9001", namedBackend(t, "one"), "127.0.0.1:9002", namedBackend(t, "two"), "/tmp/fairlead-try.sock", filepath.Join(dir, "admin.sock")))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: m.roots()}}}
	defer client.CloseIdleConnections()
	for name, want := range map[string]string{"alice": "two", "carol": "one"} {
		for range 2 {
			r, err := http.NewRequest(http.MethodGet, "https://"+e.address(t, "edge")+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.AddCookie(&http.Cookie{Name: "sid", Value: name})
			a, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(a.Body)
			_ = a.Body.Close()
			if err != nil || string(got) != want {
				t.Errorf("%s is on %s (%v), the page says %s", name, got, err, want)
			}
		}
	}
}

// namedBackend answers every request with a name, until the test ends.
func namedBackend(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, name) })}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l) // returns when it is closed
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return l.Addr().String()
}
