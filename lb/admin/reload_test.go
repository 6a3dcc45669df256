package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"fairlead/lb"
	"fairlead/lb/relay"
)

// bare is a process with nothing in it.
type bare struct{ relay *relay.Group }

func (bare) Frontends() []*lb.Frontend    { return nil }
func (bare) Departed() Departed           { return Departed{} }
func (bare) Pools() []*lb.Pool            { return nil }
func (bare) Sources() []Source            { return nil }
func (bare) Config() ([]byte, error)      { return nil, nil }
func (bare) Certificates() []Certificates { return nil }
func (b bare) Relay() *relay.Group        { return b.relay }

// ask makes one request of a server with these options.
func ask(t *testing.T, o Options, method, path, body string) (int, string) {
	t.Helper()
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	s := New(o)
	defer s.Close()
	w := httptest.NewRecorder()
	s.routes().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(text)
}

func problem(t *testing.T, text string) string {
	t.Helper()
	var p Problem
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return p.Error
}

func TestReload(t *testing.T) {
	plan := []ReloadChange{
		{Path: "pools.chat.backends.b3", Kind: "added"},
		{Path: "relay.loops", Kind: "changed", Was: "1", Now: "2", Restart: "why"},
	}
	const mistakes = "f.yaml:3:5: pools: first\nf.yaml:9:1: second"
	for _, c := range []struct {
		name, body string
		gives      Reload
		err        error
		dryRun     bool
		status     int
		problem    string
		noted      bool
	}{
		{name: "no body", gives: Reload{Applied: true, Changes: plan}, status: http.StatusOK, noted: true},
		{name: "applied", body: `{"dry_run": false}`, gives: Reload{Applied: true, Changes: plan}, status: http.StatusOK, noted: true},
		{name: "dry run", body: `{"dry_run": true}`, gives: Reload{Changes: plan}, dryRun: true, status: http.StatusOK},
		{name: "nothing new", body: `{}`, gives: Reload{Applied: true}, status: http.StatusOK, noted: true},
		{name: "a bad file", err: errors.New(mistakes), status: http.StatusUnprocessableEntity, problem: mistakes, noted: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			core, logs := observer.New(zap.InfoLevel)
			var dry bool
			o := Options{Log: zap.New(core), Reload: func(_ context.Context, dryRun bool) ([]ReloadChange, error) {
				dry = dryRun
				return c.gives.Changes, c.err
			}}
			status, text := ask(t, o, http.MethodPost, "/v1/reload", c.body)
			if status != c.status || dry != c.dryRun {
				t.Fatalf("%d, dry run %v: %s", status, dry, text)
			}
			if noted := logs.FilterMessage("order").Len() == 1; noted != c.noted {
				t.Errorf("it is noted: %v", noted)
			}
			if c.err != nil {
				if got := problem(t, text); got != c.problem {
					t.Errorf("%q", got)
				}
				return
			}
			var got Reload
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			want := c.gives
			if want.Changes == nil {
				want.Changes = []ReloadChange{} // never null
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestReloadIsRefused(t *testing.T) {
	status, text := ask(t, Options{}, http.MethodPost, "/v1/reload", "")
	if p := problem(t, text); status != http.StatusConflict || !strings.Contains(p, "fairlead run -c FILE") {
		t.Errorf("without a file: %d, %s", status, p)
	}
	o := Options{Reload: func(context.Context, bool) ([]ReloadChange, error) { t.Error("it was called"); return nil, nil }}
	for _, body := range []string{`{"dryrun": true}`, `{"dry_run": 1}`, `[`, `"dry_run"`} {
		if status, text := ask(t, o, http.MethodPost, "/v1/reload", body); status != http.StatusBadRequest {
			t.Errorf("%s: %d, %s", body, status, text)
		}
	}
	if status, _ := ask(t, o, http.MethodGet, "/v1/reload", ""); status == http.StatusOK {
		t.Error("GET reloads")
	}
}

func TestReloadStatus(t *testing.T) {
	started := time.Unix(1_700_000_000, 0).UTC()
	later := started.Add(time.Hour)
	group := relay.NewGroup(relay.Options{})
	for _, c := range []struct {
		name    string
		status  *ReloadStatus
		fields  map[string]any // of /v1/status
		metrics []string
	}{
		{"nobody tells", nil, map[string]any{"reloads": 0.0, "reload_failed": nil, "reloaded_at": nil}, nil},
		{"none yet", &ReloadStatus{}, map[string]any{"reloads": 0.0, "reload_failed": nil, "reloaded_at": nil}, []string{
			`fairlead_config_reloads_total{result="done"} 0`, `fairlead_config_reloads_total{result="failed"} 0`,
			"fairlead_config_last_reload_successful 1", "fairlead_config_last_reload_success_timestamp_seconds 1.7e+09",
		}},
		{"failed after one", &ReloadStatus{Count: 1, Failures: 2, Failed: true, At: later},
			map[string]any{"reloads": 1.0, "reload_failed": true, "reloaded_at": later.Format(time.RFC3339)}, []string{
				`fairlead_config_reloads_total{result="done"} 1`, `fairlead_config_reloads_total{result="failed"} 2`,
				"fairlead_config_last_reload_successful 0", "fairlead_config_last_reload_success_timestamp_seconds 1.7000036e+09",
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Edge: bare{group}, Started: started}
			if c.status != nil {
				o.ReloadStatus = func() ReloadStatus { return *c.status }
			}
			code, text := ask(t, o, http.MethodGet, "/v1/status", "")
			got := map[string]any{}
			if err := json.Unmarshal([]byte(text), &got); err != nil || code != http.StatusOK {
				t.Fatalf("%d, %v: %s", code, err, text)
			}
			for key, want := range c.fields {
				if got[key] != want {
					t.Errorf("%s is %v, want %v", key, got[key], want)
				}
			}
			code, text = ask(t, o, http.MethodGet, "/metrics", "")
			if code != http.StatusOK {
				t.Fatalf("%d: %s", code, text)
			}
			for _, line := range c.metrics {
				if !strings.Contains(text, "\n"+line+"\n") {
					t.Errorf("%s is not there", line)
				}
			}
			if c.status == nil && strings.Contains(text, "fairlead_config_") {
				t.Error("there are metrics of reloads")
			}
		})
	}
}
