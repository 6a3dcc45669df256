package fairlead_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows says what each package of the module may import, beside the standard library: ours without the module's name,
// others by module. Every package has its line, so all that is imported through others is covered too. A new package, or
// a new arrow, is a decision: it begins here and in ARCHITECTURE.md.
var arrows = map[string]string{
	"cmd/internal/lifetime": "syscall",
	"cmd/fairlead": "cmd/internal/lifetime cmd/fairlead/internal/demo cmd/fairlead/internal/top config lb/admin lb/daemon lb/sys syscall " +
		"github.com/charmbracelet/x/term github.com/coreos/go-systemd/v22 github.com/cpuguy83/go-md2man/v2 github.com/spf13/cobra github.com/spf13/pflag go.uber.org/zap",
	"cmd/fairlead/internal/demo": "config lb/daemon tlsterm/selfsigned github.com/coder/websocket go.uber.org/zap",
	"cmd/fairlead/internal/top":  "lb/admin charm.land/bubbles/v2 charm.land/bubbletea/v2 charm.land/lipgloss/v2 github.com/charmbracelet/x/ansi",

	"lb/daemon": "config health lb lb/admin lb/affinity lb/balance lb/discovery lb/peek lb/relay lb/sys lb/termination tlsterm tlsterm/filewatch github.com/gaissmai/bart go.uber.org/zap",
	"config":    "github.com/goccy/go-yaml github.com/invopop/jsonschema",

	"lb": "health lb/affinity lb/balance lb/peek lb/relay lb/sys lb/tally lb/termination tlsterm " +
		"github.com/gaissmai/bart github.com/pires/go-proxyproto go.uber.org/zap",
	"lb/admin":           "lb lb/admin/dashboard lb/admin/history lb/affinity lb/discovery lb/relay lb/sys lb/termination tlsterm github.com/invopop/jsonschema github.com/prometheus/client_golang go.uber.org/zap",
	"lb/admin/dashboard": "",
	"lb/admin/history":   "",
	"lb/affinity":        "github.com/hashicorp/golang-lru/v2",
	"lb/balance":         "",
	"lb/discovery":       "tlsterm/filewatch github.com/miekg/dns",
	"lb/peek":            "",
	"lb/relay":           "lb/sys lb/tally lb/termination tlsterm/record",
	"lb/relay/relaytest": "lb/relay lb/sys lb/termination go.uber.org/goleak",
	"lb/sys":             "syscall golang.org/x/sys",
	"lb/sys/umltest":     "syscall golang.org/x/sys",
	"lb/tally":           "",
	"lb/termination":     "",

	"health": "",

	"tlsterm":            "tlsterm/filewatch tlsterm/record",
	"tlsterm/filewatch":  "github.com/fsnotify/fsnotify",
	"tlsterm/record":     "golang.org/x/crypto",
	"tlsterm/selfsigned": "",

	"packaging":       "",
	"packaging/image": "",

	// The benchmark measures whole programs, fairlead like any other: nothing of lb is within reach.
	"cmd/fairlead-bench": "cmd/internal/lifetime bench/... tlsterm/selfsigned syscall github.com/spf13/cobra github.com/spf13/pflag golang.org/x/sys",
	"bench/...":          "bench/... config tlsterm/selfsigned syscall github.com/HdrHistogram/hdrhistogram-go github.com/goccy/go-yaml golang.org/x/sys",
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath string
	Imports    []string
	Module     struct{ Path string }
}

func TestArrows(t *testing.T) {
	modules := modulesOf(t)
	used := map[string]bool{}
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, p.Module.Path), "/")
		if name == "" {
			continue // this test
		}
		pattern, ok := line(name)
		if !ok {
			t.Errorf("%s has no line in arrows", name)
			continue
		}
		used[pattern] = true
		for _, imported := range p.Imports {
			target, standard := target(imported, p.Module.Path, modules)
			if !standard && !allowed(strings.Fields(arrows[pattern]), target) {
				t.Errorf("%s must not import %s", name, imported)
			}
		}
	}
	for pattern := range arrows {
		if !used[pattern] {
			t.Errorf("arrows has a line for %s, which does not exist", pattern)
		}
	}
}

// line finds the line of arrows for a package: its own, or one that ends in "/..." and covers it.
func line(name string) (string, bool) {
	if _, ok := arrows[name]; ok {
		return name, true
	}
	for pattern := range arrows {
		if covers(pattern, name) {
			return pattern, true
		}
	}
	return "", false
}

// allowed tells whether a line names a target.
func allowed(names []string, target string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return name == target || covers(name, target) })
}

func covers(pattern, name string) bool {
	prefix, ok := strings.CutSuffix(pattern, "/...")
	return ok && (name == prefix || strings.HasPrefix(name, prefix+"/"))
}

// target names an import the way arrows does. Of the standard library only syscall is named at all.
func target(imported, module string, modules []string) (name string, standard bool) {
	if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
		return ours, false
	}
	for _, m := range modules {
		if imported == m || strings.HasPrefix(imported, m+"/") {
			return m, false
		}
	}
	return imported, imported != "syscall"
}

// modulesOf lists the modules that this one needs.
func modulesOf(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, m := range decode[struct{ Path string }](t, "list", "-m", "-json=Path", "all") {
		paths = append(paths, m.Path)
	}
	slices.SortFunc(paths, func(a, b string) int { return len(b) - len(a) }) // the longest is the one that holds a package
	return paths
}

func list(t *testing.T, pattern string) []listed {
	t.Helper()
	return decode[listed](t, "list", "-json=ImportPath,Imports,Module", pattern)
}

// decode runs the go command and reads its stream of JSON values.
func decode[T any](t *testing.T, args ...string) []T {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go %v: %v\n%s", args, err, exit.Stderr)
		}
		t.Fatalf("go %v: %v", args, err)
	}
	var values []T
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var v T
		switch err := decoder.Decode(&v); {
		case errors.Is(err, io.EOF):
			return values
		case err != nil:
			t.Fatalf("go %v: %v", args, err)
		}
		values = append(values, v)
	}
}
