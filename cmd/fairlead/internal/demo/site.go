package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed" // for page.html
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	// cookieName is the identity that a browser gets on its first visit; the demo's pool is sticky on it.
	cookieName = "fairlead_demo"
	cookieLife = 24 * time.Hour

	// maxFrame bounds a WebSocket message, in bytes; a larger one closes the socket with status 1009 (RFC 6455 section 7.4.1).
	maxFrame = 4 << 10
	// sendTimeout bounds one write to a member's socket.
	sendTimeout = 5 * time.Second
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// identity is what /whoami answers: which process, and what it knows of the client.
type identity struct {
	Backend string `json:"backend"`
	PID     int    `json:"pid"`
	Key     string `json:"key"`    // what the edge took for the client's identity
	Client  string `json:"client"` // from X-Forwarded-For
	Proto   string `json:"proto"`  // from X-Forwarded-Proto
	Host    string `json:"host"`
}

// site is what a demo backend serves: the page, its identity and the chat.
type site struct {
	name  string
	room  *room
	chats sync.WaitGroup // open chat sockets: net/http does not know hijacked connections
}

func newSite(name string) *site {
	return &site{name: name, room: newRoom(name, time.Now)}
}

// routes gives the site's paths.
func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /whoami", s.whoami)
	mux.HandleFunc("GET /chat", s.chat)
	return mux
}

// page serves the chat page and gives a new browser its cookie.
func (s *site) page(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie(cookieName); err != nil {
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: rand.Text(), Path: "/", MaxAge: int(cookieLife.Seconds()),
			Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
	nonce := rand.Text()
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, map[string]any{
		"Backend": s.name, "Nonce": nonce, "MaxName": maxNameRunes, "MaxText": maxTextRunes,
	}); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // a reload must show who serves it now
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src 'nonce-%[1]s'; style-src 'nonce-%[1]s'; "+
		"img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nonce))
	_, _ = w.Write(body.Bytes()) // the browser left: nothing to do about it
}

// whoami tells which backend answered and what it was told of the client.
func (s *site) whoami(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(identity{ // the client left: nothing to do about it
		Backend: s.name, PID: os.Getpid(), Key: keySource(r),
		Client: r.Header.Get("X-Forwarded-For"), Proto: r.Header.Get("X-Forwarded-Proto"), Host: r.Host,
	})
}

// keySource names the first of the demo pool's affinity keys that the request carries.
func keySource(r *http.Request) string {
	if _, err := r.Cookie(cookieName); err == nil {
		return "cookie:" + cookieName
	}
	if r.URL.Query().Get("user") != "" {
		return "query:user"
	}
	return "source_ip"
}

// chat is one member's life in the room. A text message is something said; what comes back is events.
func (s *site) chat(w http.ResponseWriter, r *http.Request) {
	s.chats.Add(1)
	defer s.chats.Done()
	conn, err := websocket.Accept(w, r, nil) // nil: a browser's Origin must be the host it talks to
	if err != nil {
		return // Accept has answered the client
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxFrame)

	m, err := s.room.join(r.URL.Query().Get("name"))
	if err != nil {
		_ = conn.Close(websocket.StatusTryAgainLater, err.Error())
		return
	}
	defer s.room.leave(m)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s.chats.Add(1)
	go s.deliver(ctx, conn, m)
	for {
		kind, text, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if kind == websocket.MessageText {
			s.room.say(m, string(text))
		}
	}
}

// deliver writes a member's events until its socket ends, which ctx or a failed write tells, or the room gives it up.
func (s *site) deliver(ctx context.Context, conn *websocket.Conn, m *member) {
	defer s.chats.Done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.gone:
			_ = conn.Close(websocket.StatusGoingAway, "this room is closed to you") // the client may be gone too
			return
		case text := <-m.events:
			if !send(ctx, conn, text) {
				return
			}
		}
	}
}

// send writes one text message in bounded time. A failure closes the socket, so that its reader ends too.
func send(ctx context.Context, conn *websocket.Conn, text []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, text) == nil
}

// awaitChats closes ended once no chat socket is open. To be called after http.Server.Shutdown: no chat may begin any more.
func (s *site) awaitChats(ended chan<- struct{}) {
	s.chats.Wait()
	close(ended)
}
