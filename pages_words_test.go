package fairlead_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fairlead/config"
	"fairlead/lb/termination"
)

// wordsIn gives each match of a pattern's first group in the pages to check.
func wordsIn(t *testing.T, pattern string, check func(page, word string)) {
	t.Helper()
	re, n := regexp.MustCompile(pattern), 0
	for page, text := range pages(t) {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			n++
			check(page, m[1])
		}
	}
	if n < 5 {
		t.Errorf("%s matches %d times only", pattern, n)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// histogramPart is what Prometheus puts behind the name of a histogram.
var histogramPart = regexp.MustCompile(`_(bucket|sum|count)$`)

// TestPagesNameMetricsThatExist: those of docs/metrics.md, which a test of lb/admin holds to the code.
func TestPagesNameMetricsThatExist(t *testing.T) {
	table := readFile(t, "docs/metrics.md")
	wordsIn(t, `\b(fairlead_[a-z_]+)`, func(page, name string) {
		if name == "fairlead_demo" { // the cookie of the demo
			return
		}
		if !strings.Contains(table, "\n| `"+histogramPart.ReplaceAllString(name, "")+"` |") {
			t.Errorf("%s: there is no metric %s", page, name)
		}
	})
}

// TestPagesNameCausesThatExist and the troubleshooting has all of them.
func TestPagesNameCausesThatExist(t *testing.T) {
	others := []string{
		"client_ca", "client_cert", "client_cert_required", // keys, and a reason
		"client_header_timeout", "client_header_buffer_size", // NGINX's
	}
	var causes []string
	trouble := readFile(t, "docs/troubleshooting.md")
	_, trouble, _ = strings.Cut(trouble, "\n## Causes\n")
	for _, c := range termination.All() {
		causes = append(causes, c.String())
		if !strings.Contains(trouble, "`"+c.String()+"`") {
			t.Errorf("docs/troubleshooting.md does not have %v", c)
		}
	}
	wordsIn(t, "`((?:client|backend|us)_[a-z_]+)`", func(page, word string) {
		if !slices.Contains(causes, word) && !slices.Contains(others, word) {
			t.Errorf("%s: there is no cause %s", page, word)
		}
	})
}

// keysBelow collects the paths of all keys, and notes which have keys below them.
func keysBelow(t reflect.Type, path string, keys []string, sections map[string]bool) []string {
	for f := range t.NumField() {
		key := t.Field(f).Tag.Get("yaml")
		keys = append(keys, path+"."+key)
		ft := t.Field(f).Type
		if ft.Kind() == reflect.Slice {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Struct && ft.PkgPath() == t.PkgPath() {
			sections[key] = true
			keys = keysBelow(ft, path+"."+key, keys, sections)
		}
	}
	return keys
}

// TestPagesNameKeysThatExist: `tls.mode` and `tls.mode: off` are the end of the path of a key.
func TestPagesNameKeysThatExist(t *testing.T) {
	sections := make(map[string]bool)
	keys := keysBelow(reflect.TypeFor[config.Config](), "", nil, sections)
	wordsIn(t, "`([a-z_0-9]+(?:\\.[a-z_0-9]+)+)(?:: [^`]*)?`", func(page, word string) {
		first, _, _ := strings.Cut(word, ".")
		if !sections[first] {
			return // a file, a sysctl
		}
		if !slices.ContainsFunc(keys, func(k string) bool { return strings.HasSuffix(k, "."+word) }) {
			t.Errorf("%s: there is no key %s", page, word)
		}
	})
}

// sources is all Go that is no test.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestPagesQuoteLinesThatExist: what is called a log line is in the source, and what asks for something is in the table.
func TestPagesQuoteLinesThatExist(t *testing.T) {
	code := sources(t)
	check := func(page, line string) {
		if !strings.Contains(code, line) {
			t.Errorf("%s: nothing logs %q", page, line)
		}
	}
	wordsIn(t, "(?i)log lines? `([^`]+)`", check)
	_, table, _ := strings.Cut(readFile(t, "docs/troubleshooting.md"), "\n## Lines of the log\n")
	table, _, _ = strings.Cut(table, "\n## ")
	lines := regexp.MustCompile("(?m)^\\| `([^`]+)`(?:, `([^`]+)`)? \\|").FindAllStringSubmatch(table, -1)
	if len(lines) < 20 {
		t.Errorf("only %d lines in the table", len(lines))
	}
	for _, m := range lines {
		check("docs/troubleshooting.md", m[1])
		check("docs/troubleshooting.md", m[2])
	}
	known := table + readFile(t, "docs/health.md")
	for _, m := range regexp.MustCompile(`[lL]og\.(?:Warn|Error)\("([^"]+)"`).FindAllStringSubmatch(code, -1) {
		if !strings.Contains(known, "`"+m[1]+"`") {
			t.Errorf("docs/troubleshooting.md does not have the line %q", m[1])
		}
	}
}

// TestPagesNamePathsThatExist: those of the admin API.
func TestPagesNamePathsThatExist(t *testing.T) {
	api := readFile(t, "docs/openapi.json")
	wordsIn(t, "(/v1/[a-z-]+)", func(page, path string) {
		if !strings.Contains(api, `"`+path) {
			t.Errorf("%s: the admin API has no %s", page, path)
		}
	})
}

// TestPagesNameTargetsThatExist: what is made is in the Makefile.
func TestPagesNameTargetsThatExist(t *testing.T) {
	rules := readFile(t, "Makefile")
	wordsIn(t, "(?m)(?:^|`)make ([a-z-]+)(?:`|$| +[#A-Z])", func(page, target string) {
		if !strings.Contains(rules, "\n"+target+":") {
			t.Errorf("%s: there is nothing to make %s", page, target)
		}
	})
}
