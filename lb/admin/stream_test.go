package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// TestHeadOfStream is an answer without a stream: who asks for it takes nobody's place.
func TestHeadOfStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Edge: bare{}, Log: zap.NewNop(), Limits: Limits{Streams: 1}})
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w, began := httptest.NewRecorder(), time.Now()
		s.routes().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodHead, "/v1/stream", nil))
		if took := time.Since(began); took != 0 || w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/event-stream") {
			t.Errorf("%v, %d, %v", took, w.Code, w.Header())
		}
	})
}

// TestNoTokenLetsNobodyIn, as when a reload has taken admin.tcp away while a connection is still there.
func TestNoTokenLetsNobodyIn(t *testing.T) {
	s := New(Options{Edge: bare{}, Log: zap.NewNop()})
	defer s.Close()
	within := s.allowToken(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	ask := func(token string) int {
		w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/status", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		within.ServeHTTP(w, r)
		return w.Code
	}
	for _, token := range []string{"", "a-token-of-the-test", ""} {
		s.SetToken(token)
		for _, sent := range []string{"", "a-token-of-the-test", "a-token-of-the-test2"} {
			if got, want := ask(sent), sent == token && token != ""; (got == http.StatusOK) != want {
				t.Errorf("the token is %q, %q is sent, and the answer is %d", token, sent, got)
			}
		}
	}
}

// TestStreamOfAnOldToken: a token that changes between the look at it and the first event leaves no stream behind.
func TestStreamOfAnOldToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Edge: bare{}, Log: zap.NewNop(), Limits: Limits{Streams: 1}})
		defer s.Close()
		s.SetToken("the-first-token")
		within := s.allowToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.SetToken("the-second-token")
			s.stream(w, r)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w, r, began := httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/stream", nil), time.Now()
		r.Header.Set("Authorization", "Bearer the-first-token")
		within.ServeHTTP(w, r)
		if took := time.Since(began); took != 0 || w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "snapshot") {
			t.Errorf("%v, %d, %s", took, w.Code, w.Body)
		}
	})
}
