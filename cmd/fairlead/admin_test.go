package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"fairlead/lb/admin"
)

// TestTablesShowNoControls: what a client chose, as the name it asks TLS for, moves no cursor and makes no line of its own.
func TestTablesShowNoControls(t *testing.T) {
	t.Parallel()
	const name = "a\x1b]0;title\x07\u009b2J\r\nforged\tcell\u202eé\\"
	address, _ := answering(t, http.StatusOK, admin.Sessions{Total: 1, Sessions: []admin.Session{{ID: "1", Client: "192.0.2.1:1", Host: "h", SNI: name}}})
	var stdout, stderr bytes.Buffer
	if status := execute([]string{"sessions", "-o", "wide", "--admin", address}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	out := stdout.String()
	if strings.ContainsAny(out, "\x1b\x07\u009b\r\t\u202e") || strings.Count(out, "\n") != 2 {
		t.Errorf("%q", out)
	}
	if !strings.Contains(out, `a\x1b]0;title\a\u009b2J\r\nforged\tcell\u202eé\\`) {
		t.Errorf("%q does not tell what was sent", out)
	}
}
