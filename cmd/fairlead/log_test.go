package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"fairlead/config"
)

func TestLogFormats(t *testing.T) {
	for _, tt := range []struct {
		name   string
		log    config.Log
		parses bool
	}{
		{"json", config.Log{Level: "warn", Format: "json"}, true},
		{"console", config.Log{Level: "warn", Format: "console"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			log, _, err := newLog(tt.log, &out, false)
			if err != nil {
				t.Fatal(err)
			}
			log.Info("below the level")
			log.Named("lb").Warn("text of a client", zap.String("host", "a\x1b[31m\nb"), zap.Duration("took", time.Second))
			if n := strings.Count(out.String(), "\n"); n != 1 {
				t.Fatalf("%d lines:\n%s", n, out.String())
			}
			if strings.Contains(out.String(), "\x1b") {
				t.Errorf("a client's escape sequence reaches the terminal: %q", out.String())
			}
			var line struct{ Level, Time, Logger, Msg, Host, Took string }
			err = json.Unmarshal([]byte(out.String()), &line)
			if (err == nil) != tt.parses {
				t.Fatalf("%v: %s", err, out.String())
			}
			if _, err := time.Parse(time.RFC3339, line.Time); tt.parses && (err != nil || line.Level != "warn" || line.Logger != "lb" || line.Took != "1s") {
				t.Errorf("%v: %+v", err, line)
			}
		})
	}
}

func TestLogRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		log  config.Log
	}{
		{"level", config.Log{Level: "loud", Format: "json"}},
		{"format", config.Log{Level: "info", Format: "xml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := newLog(tt.log, &strings.Builder{}, false); err == nil {
				t.Errorf("%+v is taken", tt.log)
			}
		})
	}
}

// TestLogForTheJournal has each line's priority in front.
func TestLogForTheJournal(t *testing.T) {
	var out strings.Builder
	log, level, err := newLog(config.Log{Level: "info", Format: "console"}, &out, true)
	if err != nil {
		t.Fatal(err)
	}
	log = log.With(zap.String("a", "b"))
	log.Info("one")
	log.Warn("two")
	log.Error("three")
	level.SetLevel(zap.DebugLevel)
	log.Debug("four")
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"<6>", "<4>", "<3>", "<7>"} {
		if !strings.HasPrefix(lines[i], want) || !strings.Contains(lines[i], "a") {
			t.Errorf("%q does not begin with %s", lines[i], want)
		}
	}
	if isJournal(os.Stderr, "") || isJournal(os.Stderr, "0:0") || isJournal(&out, "1:2") {
		t.Error("a journal that is none")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	if !isJournal(f, fmt.Sprintf("%d:%d", st.Dev, st.Ino)) {
		t.Error("not recognised")
	}
}
