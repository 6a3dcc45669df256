package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// foundOnPage is what dashboard-browser.js has seen.
type foundOnPage struct {
	Troubles, Elsewhere, Leaked, Pale, Audit, Violations []string

	FocusAtSignIn, FirstStop, SkipTo, Ring, Asked        string
	Tiles, Made, Sessions, ElsewhereOnly, Overflow, Kept int
	Reached                                              bool
}

// hostile is a backend's name that would do something if a page took it for HTML.
const hostile = `<img/src=x/onerror=alert(1)><b>b0</b>`

// TestDashboardInBrowser has Chromium sign in, see a backend drained, open the sessions with the keyboard, and looks for what a
// page must not do: run or load what is not its own, show names as HTML, keep the token, or be too wide for a phone.
func TestDashboardInBrowser(t *testing.T) {
	t.Parallel()
	needNode(t)
	need(t, "chromium")
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	const secret = "a-token-of-the-test-0123456789"
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startPit(t, "b0")
	item := fmt.Sprintf("{name: %q, address: %q}", hostile, p.address)
	e := startEdge(t, stickyPool([]string{item}, "health: {type: none}\n")+fmt.Sprintf("admin: {tcp: \"127.0.0.1:0\", token_file: %q}\n", tokenFile))
	assemble(t, 3, e.address(t, "edge"), nil).settled(t)
	base := "http://" + adminAddress(t, e)
	b := startNode(t, "dashboard-browser.js", map[string]string{
		"url": base + "/", "token": secret, "executable": chromium, "backend": hostile, "screenshot": filepath.Join(t.ArtifactDir(), "dashboard.png"),
	})
	b.heardLine(t, "that the page is watched", func(l string) bool { return strings.Contains(l, `"watching"`) })
	tellDrain(t, base, secret)
	var said struct{ Found foundOnPage }
	decode(t, b.heardLine(t, "report of the browser", func(l string) bool { return strings.Contains(l, `"found"`) }), &said)
	if got := b.exit(t); got != 0 {
		t.Errorf("the browser ended with status %d", got)
	}
	said.Found.check(t)
}

func (f *foundOnPage) check(t *testing.T) {
	t.Helper()
	for what, list := range map[string][]string{
		"troubles": f.Troubles, "requests elsewhere": f.Elsewhere, "the token in": f.Leaked, "too little contrast": f.Pale,
		"not accessible": f.Audit, "against the policy": f.Violations,
	} {
		if len(list) > 0 {
			t.Errorf("%s: %q", what, list)
		}
	}
	if f.FocusAtSignIn != "token" || f.FirstStop != "skip" || f.SkipTo != "main" || !f.Reached || f.Ring != "solid" {
		t.Errorf("with the keyboard: %+v", f)
	}
	if f.Tiles != 6 || f.Made != 0 || f.Sessions != 3 || f.Asked != "3 open" || f.ElsewhereOnly != 0 {
		t.Errorf("on the page: %+v", f)
	}
	if f.Overflow > 0 {
		t.Errorf("on a phone the page is %d pixels too wide", f.Overflow)
	}
	if f.Kept != 0 {
		t.Error("something is kept after signing out")
	}
}

// adminAddress waits for the line that says where the admin API is.
func adminAddress(t *testing.T, e *edge) string {
	t.Helper()
	var said struct{ Msg, Address string }
	e.heard(t, e.stderr, "the address of the admin API", func(lines []string) bool {
		for _, l := range lines {
			if json.Unmarshal([]byte(l), &said) == nil && said.Msg == "admin API" {
				return true
			}
		}
		return false
	})
	return said.Address
}

func tellDrain(t *testing.T, base, secret string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/v1/pools/chat/backends/"+url.PathEscape(hostile)+"/drain", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+secret)
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
}
