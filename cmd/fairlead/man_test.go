package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestManPages: one for each command, the same each time, and man(1) has nothing to say against them.
func TestManPages(t *testing.T) {
	t.Parallel()
	need(t, "man")
	var dirs []string
	for range 2 {
		dir := filepath.Join(t.TempDir(), "man")
		dirs = append(dirs, dir)
		if r := runTool(t, "", "env", "SOURCE_DATE_EPOCH=1700000000", program(t), "man", dir); r.status != 0 {
			t.Fatalf("%+v", r)
		}
	}
	files, err := os.ReadDir(dirs[0])
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dirs[0], f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		again, err := os.ReadFile(filepath.Join(dirs[1], f.Name()))
		if err != nil || string(again) != string(text) {
			t.Errorf("%s differs from itself, %v", f.Name(), err)
		}
		if strings.Contains(string(text), "uto generated") || !strings.Contains(string(text), "Nov 2023") {
			t.Errorf("%s: tells of its making, or has not the date of its source", f.Name())
		}
		pages = append(pages, filepath.Join(dirs[0], f.Name()))
	}
	// LC_ALL: the pages have letters beyond ASCII.
	shown := runTool(t, "", "env", append([]string{"LC_ALL=C.UTF-8", "MANWIDTH=100", "man", "--warnings=w", "-l"}, pages...)...)
	if shown.status != 0 || shown.stderr != "" {
		t.Errorf("status %d, man says %s", shown.status, shown.stderr)
	}
	for _, c := range newRoot().Commands() {
		if c.IsAvailableCommand() && !slices.Contains(pages, filepath.Join(dirs[0], "fairlead-"+c.Name()+".1")) {
			t.Errorf("%s has no page", c.Name())
		}
	}
	for _, words := range []string{
		"fairlead-run(1)", "--config", "SIGUSR1", // of fairlead(1) and fairlead-run(1)
		"listeners[].tls.min_version", "unix:@name", "Default: 30s.", // of fairlead.yaml(5)
	} {
		if !strings.Contains(shown.stdout, words) {
			t.Errorf("no page has %q", words)
		}
	}
}

// TestShellCompletion in a real shell: commands, files, and what a running process has.
func TestShellCompletion(t *testing.T) {
	t.Parallel()
	need(t, "bash")
	p := startPit(t, "b0")
	socket := filepath.Join(t.TempDir(), "admin.sock")
	startEdge(t, stickyPool([]string{p.item()}, "")+"admin: {listen: \"unix:"+socket+"\"}\n")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if r := runTool(t, "", program(t), "completion", shell); r.status != 0 || !strings.Contains(r.stdout, "fairlead") {
			t.Errorf("%s: %+v", shell, r)
		}
	}
	dir := filepath.Dir(program(t))
	// What bash calls when Tab is pressed: the function that the script registers (bash(1), Programmable Completion).
	const press = `
export PATH=%q:$PATH FAIRLEAD_ADMIN=%q
_get_comp_words_by_ref() { cur=${COMP_WORDS[COMP_CWORD]}; prev=${COMP_WORDS[COMP_CWORD-1]}; words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; }
source <(fairlead completion bash)
COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
__start_fairlead 2>/dev/null
printf '%%s\n' "${COMPREPLY[@]}"
`
	for line, want := range map[string]string{
		"fairlead che":                 "check",
		"fairlead drain ch":            "chat/b0",
		"fairlead drain --listener ''": "edge",
		"fairlead backends ''":         "chat",
		"fairlead where ''":            "chat",
		"fairlead run --con":           "--config",
	} {
		r := runTool(t, "", "bash", "--norc", "-c", fmt.Sprintf(press, dir, "unix:"+socket, line))
		if !strings.Contains("\n"+r.stdout, "\n"+want) {
			t.Errorf("%s completes to %q, want %s; %s", line, r.stdout, want, r.stderr)
		}
	}
}
