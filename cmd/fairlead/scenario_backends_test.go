package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// startChats starts n backends in this process, named b0, b1 and so on. A WebSocket client gets the backend's name first and
// then its own messages back; any other request gets the name.
func startChats(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for i := range n {
		addresses = append(addresses, startHandler(t, chat(fmt.Sprintf("b%d", i))))
	}
	return addresses
}

// startHandler serves an http.Handler on a free loopback port until the test ends.
func startHandler(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func chat(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			_, _ = io.WriteString(w, name+"\n")
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // Accept has answered
		}
		defer func() { _ = c.CloseNow() }()
		c.SetReadLimit(8 << 20)
		// Not the request's context: a hijacked connection is no business of the server's end.
		ctx := context.WithoutCancel(r.Context())
		err = c.Write(ctx, websocket.MessageText, []byte(name))
		for err == nil {
			var kind websocket.MessageType
			var data []byte
			if kind, data, err = c.Read(ctx); err == nil {
				err = c.Write(ctx, kind, data)
			}
		}
	})
}

// backendsYAML is the list of backends b0, b1 and so on as the configuration has it.
func backendsYAML(addresses ...string) string { return listYAML(backendItems(addresses)) }

// backendItems are the elements of that list.
func backendItems(addresses []string) (items []string) {
	for i, a := range addresses {
		items = append(items, fmt.Sprintf("{name: b%d, address: %q}", i, a))
	}
	return items
}

func listYAML(items []string) string { return "[" + strings.Join(items, ", ") + "]" }

// refusing is a loopback address that refuses connections for as long as the test runs: the port is taken by one end of
// a connection, so nobody can begin to listen on it.
func refusing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	c, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().String()
}
