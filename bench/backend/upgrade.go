package backend

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fairlead/bench/ws"
)

// longestWait bounds what a request may ask to wait.
const longestWait = time.Minute

// What /slow waits where neither the query nor the settings say anything.
const slowness = 100 * time.Millisecond

var (
	errNotUpgrade = errors.New("not a WebSocket upgrade")
	errWait       = errors.New("delay and think are durations of at most 1m, as in 10ms")
	errClosing    = errors.New("the backend is closing")
)

// answer does the opening handshake and what its path asks for, until a Close frame has been answered.
func (s *site) answer(conn net.Conn) error {
	e := echoer{
		in: bufio.NewReaderSize(conn, readBuffer), out: make([]byte, 0, writeBuffer), conn: conn,
		done: s.done, settings: s.settings,
	}
	path, err := e.upgrade()
	if err != nil {
		return err
	}
	// Whatever stands before is what an edge routes by.
	if room := strings.LastIndex(path, PathRoom); room >= 0 {
		return e.chat(s.rooms, path[room+len(PathRoom):])
	}
	if err := e.flush(); err != nil {
		return err
	}
	switch {
	case strings.HasSuffix(path, PathStream):
		return e.stream()
	case strings.HasSuffix(path, PathSink):
		return e.sink()
	default:
		return e.echo()
	}
}

// upgrade reads the request and queues its answer.
func (e *echoer) upgrade() (path string, err error) {
	r, err := http.ReadRequest(e.in)
	if err != nil {
		return "", fmt.Errorf("read the request head: %w", err)
	}
	key := r.Header.Get("Sec-WebSocket-Key")
	if r.Method != http.MethodGet || key == "" || r.Header.Get("Sec-WebSocket-Version") != ws.Version ||
		!strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || !mentions(r.Header.Values("Connection"), "upgrade") {
		return "", e.refuse(errNotUpgrade)
	}
	if err := e.pace(r.URL); err != nil {
		return "", e.refuse(err)
	}
	if err := e.wait(e.settings.Delay); err != nil {
		return "", err
	}
	e.out = append(e.out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	e.out = append(e.out, ws.Accept(key)...)
	if e.settings.Name != "" {
		e.out = append(e.out, "\r\n"+HeaderName+": "+e.settings.Name...)
	}
	e.out = append(e.out, "\r\n\r\n"...)
	return r.URL.Path, nil
}

func (e *echoer) refuse(why error) error {
	_, err := io.WriteString(e.conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	return errors.Join(why, err)
}

// pace takes what the request says about waiting into the settings of the connection.
func (e *echoer) pace(u *url.URL) error {
	if strings.HasSuffix(u.Path, PathSlow) && e.settings.Delay == 0 && e.settings.Think == 0 {
		e.settings.Delay, e.settings.Think = slowness, slowness
	}
	query := u.Query()
	for name, d := range map[string]*time.Duration{"delay": &e.settings.Delay, "think": &e.settings.Think} {
		if !query.Has(name) {
			continue
		}
		var err error
		if *d, err = time.ParseDuration(query.Get(name)); err != nil || *d < 0 || *d > longestWait {
			return errWait
		}
	}
	return nil
}

// wait lasts for d, or until the backend closes.
func (e *echoer) wait(d time.Duration) error {
	if d == 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-e.done:
		return errClosing
	}
}

// mentions says whether a comma-separated list header holds a token, in any case.
func mentions(values []string, token string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}
