package scenario

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestShipped loads every file that is shipped, and looks for those that the documentation promises.
func TestShipped(t *testing.T) {
	names := Names()
	for _, want := range []string{
		"bulk", "chat", "churn", "connect", "down", "down-plain", "echo", "echo-busy", "echo-closed", "echo-closed-plain", "echo-few", "echo-many",
		"idle", "idle-many", "idle-plain", "idle-some", "mixed", "reload", "slow", "storm",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, name := range names {
		s, err := Load(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Name != name || s.About == "" {
			t.Errorf("%s: named %q, about %q", name, s.Name, s.About)
		}
	}
}

func TestParseGivesDefaults(t *testing.T) {
	s, err := Parse("x.yaml", []byte("name: x\nduration: 1m30s\ngroups: [{does: echo, connections: 3, rate: 10, sizes: [64, 2KiB]}, {does: connect, connections: 1, closed: true}]"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Duration != Span(90*time.Second) || s.Timeout != defaultTimeout || s.Opening.AtOnce != defaultAtOnce {
		t.Errorf("got %+v", s)
	}
	if g := s.Groups[0]; g.Name != "echo" || !slices.Equal(g.Sizes, []Size{64, 2048}) {
		t.Errorf("got %+v", g)
	}
	if g := s.Groups[1]; !slices.Equal(g.Sizes, []Size{defaultSize}) {
		t.Errorf("got %+v", g)
	}
	if got := s.Seats(); got != 4 {
		t.Errorf("%d seats", got)
	}
	text, err := json.Marshal(s)
	if err != nil || !strings.Contains(string(text), `"duration":"1m30s"`) || !strings.Contains(string(text), `"2KiB"`) {
		t.Errorf("as JSON: %s, %v", text, err)
	}
}

func TestMistakes(t *testing.T) {
	const good = "name: x\nduration: 1s\n"
	tests := []struct {
		name string
		text string
		want []string
	}{
		{name: "unknown key", text: good + "grups: []\n", want: []string{"x.yaml:[3:1]", `unknown field "grups"`, ">  3 | grups"}},
		{name: "unknown key of a group", text: good + "groups:\n  - does: echo\n    conections: 1\n", want: []string{"[5:5]", "conections"}},
		{name: "doubled key", text: good + "name: y\n", want: []string{"name"}},
		{name: "no unit", text: "name: x\nduration: 10\n", want: []string{"no unit"}},
		{name: "bad size", text: good + "groups:\n  - {does: echo, connections: 1, rate: 1, sizes: [3parsecs]}\n", want: []string{"parsecs"}},
		{name: "nothing", text: "", want: []string{"empty"}},
		{name: "all at once", text: "warmup: 1s\n", want: []string{"name: is missing", "duration:", "groups: at least one"}},
		{name: "kind", text: good + "groups: [{does: dance, connections: 1}]", want: []string{"groups[0] (dance): does: must be one of [connect"}},
		{name: "no rate", text: good + "groups: [{does: echo, connections: 1}]", want: []string{"rate: must be between"}},
		{name: "rate of a closed loop", text: good + "groups: [{does: echo, connections: 1, rate: 5, closed: true}]", want: []string{"this group is not one"}},
		{name: "tiny message", text: good + "groups: [{does: echo, connections: 1, rate: 1, sizes: [8]}]", want: []string{"sizes: each must be"}},
		{name: "room too large", text: good + "groups: [{does: chat, connections: 2, rate: 1, room: 3}]", want: []string{"room: must be"}},
		{name: "backoff", text: good + "groups: [{does: idle, connections: 2, reconnect: {first: 2s, most: 1s}}]", want: []string{"reconnect: first"}},
		{name: "same names", text: good + "groups: [{does: idle, connections: 2}, {does: idle, connections: 2}]", want: []string{"another of that name"}},
		{name: "identity", text: good + "identity: {cookie: sid}\ngroups: [{does: idle, connections: 2}]", want: []string{"identity.cookie: must be NAME=VALUE"}},
		{name: "never", text: good + "during: {command: x, every: 2s}\ngroups: [{does: idle, connections: 2}]", want: []string{"would never run"}},
		{name: "TLS that is off", text: good + "tls: {off: true, version: \"1.3\"}\ngroups: [{does: idle, connections: 2}]", want: []string{"tls.off: without TLS there is no version"}},
		{name: "TLS", text: good + "tls: {version: \"1.1\", curve: P-521}\ngroups: [{does: idle, connections: 2}]", want: []string{"tls.version", "tls.curve"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(tt.text))
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in\n%v", want, err)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	if _, err := Load("ecko"); err == nil || !strings.Contains(err.Error(), "shipped are bulk, chat") {
		t.Errorf("an unknown name: %v", err)
	}
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if _, err := Load(file); err == nil {
		t.Error("a missing file was loaded")
	}
	if err := os.WriteFile(file, []byte("name: mine\nduration: 1s\ngroups: [{does: idle, connections: 1}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(file); err != nil || s.Name != "mine" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// FuzzParse wants no text to do harm, and what is accepted to make sense.
func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		text, err := Text(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse("fuzz.yaml", text)
		if err == nil && (s.Seats() < 1 || s.Duration <= 0) {
			t.Errorf("%q was accepted as %+v", text, s)
		}
	})
}
