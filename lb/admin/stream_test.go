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
