package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"fairlead/lb/admin"
)

// answering serves an admin socket that gives one answer to POST /v1/reload, and returns its address and what was asked.
func answering(t *testing.T, status int, answer any) (address string, asked *string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	asked = new(string)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = r.Method + " " + r.URL.Path + " " + string(body)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return "unix:" + socket, asked
}

func TestReloadShowsThePlan(t *testing.T) {
	t.Parallel()
	changes := []admin.ReloadChange{
		{Path: "listeners.edge.idle_timeout", Kind: "changed", Was: "1h", Now: "30m"},
		{Path: "pools.chat.affinity.hash_key", Kind: "changed"},
		{Path: "pools.chat.backends.b3", Kind: "added"},
		{Path: "relay.loops", Kind: "changed", Was: "1", Now: "2", Restart: "the loops are set up at start"},
	}
	const mistakes = "my file.yaml:3:5: pools: first\nmy file.yaml:9:1: second"
	for _, c := range []struct {
		name           string
		args           []string
		code           int
		answer         any
		asked          string
		status         int
		stdout, stderr string
	}{
		{
			name: "applied", code: http.StatusOK, answer: admin.Reload{Applied: true, Changes: changes}, asked: `{"dry_run":false}`,
			stdout: "listeners.edge.idle_timeout: 1h -> 30m\npools.chat.affinity.hash_key: changed\n" +
				"pools.chat.backends.b3: added\nrelay.loops: 1 -> 2 (at the next start: the loops are set up at start)\nreloaded: 4 changes\n",
		},
		{
			name: "dry run", args: []string{"--dry-run"}, code: http.StatusOK, answer: admin.Reload{Changes: changes[2:3]}, asked: `{"dry_run":true}`,
			stdout: "pools.chat.backends.b3: added\ndry run: 1 change, not carried out\n",
		},
		{
			name: "a route", code: http.StatusOK, asked: `{"dry_run":false}`,
			answer: admin.Reload{Applied: true, Changes: []admin.ReloadChange{{Path: "listeners.edge.routes[0]", Kind: "added", Now: "{sni: a, pool: b}"}}},
			stdout: "listeners.edge.routes[0]: added {sni: a, pool: b}\nreloaded: 1 change\n",
		},
		{
			name: "nothing", args: []string{"--dry-run"}, code: http.StatusOK, answer: admin.Reload{Changes: []admin.ReloadChange{}}, asked: `{"dry_run":true}`,
			stdout: "dry run: the file says what is in force\n",
		},
		{
			name: "json", args: []string{"-o", "json"}, code: http.StatusOK, answer: admin.Reload{Applied: true, Changes: changes[2:3]}, asked: `{"dry_run":false}`,
			stdout: "{\n  \"applied\": true,\n  \"changes\": [\n    {\n      \"path\": \"pools.chat.backends.b3\",\n      \"kind\": \"added\"\n    }\n  ]\n}\n",
		},
		{
			name: "a bad file", code: http.StatusUnprocessableEntity, answer: admin.Problem{Error: mistakes}, asked: `{"dry_run":false}`,
			status: statusInvalid, stderr: mistakes + "\n",
		},
		{
			name: "a file that is not there", code: http.StatusUnprocessableEntity, answer: admin.Problem{Error: "f.yaml: no such file or directory"},
			asked: `{"dry_run":false}`, status: statusInvalid, stderr: "fairlead: f.yaml: no such file or directory\n",
		},
		{
			name: "no file at all", code: http.StatusConflict, answer: admin.Problem{Error: "there is none"}, asked: `{"dry_run":false}`,
			status: statusFailed, stderr: "fairlead: there is none\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			address, asked := answering(t, c.code, c.answer)
			var stdout, stderr bytes.Buffer
			status := execute(append([]string{"reload", "--admin", address}, c.args...), &stdout, &stderr)
			if status != c.status || stdout.String() != c.stdout || stderr.String() != c.stderr {
				t.Errorf("status %d\n%s\n%s", status, stdout.String(), stderr.String())
			}
			if want := "POST /v1/reload " + c.asked; *asked != want {
				t.Errorf("asked %s, want %s", *asked, want)
			}
		})
	}
}
