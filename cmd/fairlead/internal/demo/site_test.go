package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testSite serves a site named b1 until the test ends.
func testSite(t *testing.T) (*site, *httptest.Server) {
	t.Helper()
	s := newSite("b1")
	web := httptest.NewServer(s.routes())
	t.Cleanup(func() {
		s.room.close()
		web.Close()
		s.chats.Wait()
	})
	return s, web
}

func get(t *testing.T, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func dial(t *testing.T, web *httptest.Server, query string, header http.Header) (*websocket.Conn, error) {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), web.URL+"/chat"+query, &websocket.DialOptions{HTTPHeader: header})
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, err
}

// hear reads the next event; the test's own timeout bounds it.
func hear(t *testing.T, conn *websocket.Conn) event {
	t.Helper()
	_, text, err := conn.Read(t.Context())
	if err != nil {
		t.Fatalf("read an event: %v", err)
	}
	var e event
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatalf("event %s: %v", text, err)
	}
	return e
}

func TestPage(t *testing.T) {
	_, web := testSite(t)
	first, body := get(t, web.URL+"/", nil)
	if !strings.Contains(body, `data-backend="b1">b1<`) {
		t.Error("the page does not name its backend")
	}
	cookies := first.Cookies()
	if len(cookies) != 1 || cookies[0].Name != cookieName || !cookies[0].Secure || !cookies[0].HttpOnly || len(cookies[0].Value) < 20 {
		t.Fatalf("cookies of a first visit: %v", cookies)
	}
	policy := first.Header.Get("Content-Security-Policy")
	_, rest, _ := strings.Cut(policy, "script-src 'nonce-")
	nonce, _, _ := strings.Cut(rest, "'")
	if nonce == "" || strings.Count(body, `nonce="`+nonce+`"`) != 2 {
		t.Errorf("the style and the script do not carry the policy's nonce: %s", policy)
	}
	again, _ := get(t, web.URL+"/", http.Header{"Cookie": {cookieName + "=" + cookies[0].Value}})
	if len(again.Cookies()) != 0 {
		t.Errorf("a second visit got a new cookie: %v", again.Cookies())
	}
	if again.Header.Get("Content-Security-Policy") == policy {
		t.Error("two answers with one nonce")
	}
}

func TestWhoami(t *testing.T) {
	_, web := testSite(t)
	for _, tt := range []struct {
		name, query, cookie, key string
	}{
		{"cookie", "", cookieName + "=ada", "cookie:fairlead_demo"},
		{"cookie before query", "?user=bob", cookieName + "=ada", "cookie:fairlead_demo"},
		{"query", "?user=bob", "other=1", "query:user"},
		{"neither", "", "", "source_ip"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"https"}}
			if tt.cookie != "" {
				header.Set("Cookie", tt.cookie)
			}
			_, body := get(t, web.URL+"/whoami"+tt.query, header)
			var who identity
			if err := json.Unmarshal([]byte(body), &who); err != nil {
				t.Fatal(err)
			}
			if who.Backend != "b1" || who.Key != tt.key || who.Client != "192.0.2.7" || who.Proto != "https" {
				t.Errorf("got %+v, want key %s", who, tt.key)
			}
		})
	}
}

func TestChatThroughSockets(t *testing.T) {
	_, web := testSite(t)
	ada, err := dial(t, web, "?name=ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	if e := hear(t, ada); e.Type != "welcome" || e.Who.Name != "ada" {
		t.Fatalf("welcome: %+v", e)
	}
	bob, err := dial(t, web, "?name=bob", nil)
	if err != nil {
		t.Fatal(err)
	}
	hear(t, bob)
	if e := hear(t, ada); e.Type != "joined" || e.Who.Name != "bob" {
		t.Errorf("ada hears of bob: %+v", e)
	}
	if err := bob.Write(t.Context(), websocket.MessageText, []byte("<b>hi</b>")); err != nil {
		t.Fatal(err)
	}
	if e := hear(t, ada); e.Type != "said" || e.Text != "<b>hi</b>" {
		t.Errorf("ada hears bob: %+v", e)
	}
	_ = bob.CloseNow()
	if e := hear(t, ada); e.Type != "left" || e.Who.Name != "bob" || e.Count != 1 {
		t.Errorf("ada hears of bob's leaving: %+v", e)
	}
}

func TestChatRefusesForeignOrigin(t *testing.T) {
	_, web := testSite(t)
	if _, err := dial(t, web, "", http.Header{"Origin": {"https://elsewhere.example"}}); err == nil {
		t.Error("a page of another origin may chat")
	}
	if _, err := dial(t, web, "", http.Header{"Origin": {web.URL}}); err != nil {
		t.Errorf("a page of its own: %v", err)
	}
}

func TestChatEndsOversizedMessage(t *testing.T) {
	_, web := testSite(t)
	ada, err := dial(t, web, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	hear(t, ada)
	if err := ada.Write(t.Context(), websocket.MessageText, make([]byte, maxFrame+1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ada.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("after an oversized message: %v", err)
	}
}

func TestBackendLivesAsLongAsItsInput(t *testing.T) {
	leash, hold := io.Pipe()
	heard, say := io.Pipe()
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { ended <- ServeBackend(ctx, "b1", leash, say) }()

	line := make([]byte, 64)
	n, err := heard.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	address, ok := strings.CutPrefix(strings.TrimSpace(string(line[:n])), announcement)
	if !ok {
		t.Fatalf("first line %q", line[:n])
	}
	conn, _, err := websocket.Dial(ctx, "ws://"+address+"/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	hear(t, conn)
	_ = hold.Close()
	if _, _, err := conn.Read(ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("the chat ended with %v, want status 1001", err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the backend ended with %v", err)
		}
	case <-ctx.Done():
		t.Error("the backend outlives its input")
	}
}
