package fairlead_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fairlead/config"
)

// pages are the texts that the project shows its readers, by file.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", pattern, err, len(files))
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			found[file] = string(text)
		}
	}
	return found
}

var yamlBlock = regexp.MustCompile("(?sm)^```yaml ?([a-z]*)\n(.*?)^```")

// frames make a whole configuration of a part; the word behind yaml says what it is a part of: without one, of the file.
var frames = map[string]struct{ before, after string }{
	"": {after: `
listeners: [{bind: [":0"], pool: p}]
pools: [{name: p, backends: [{address: "10.0.0.1:1"}]}]
`},
	"listener": {before: "listeners:\n  - bind: [\":0\"]\n    pool: p\n", after: `
pools: [{name: p, backends: [{address: "10.0.0.1:1"}]}]
`},
	"pool": {before: "listeners: [{bind: [\":0\"], pool: p}]\npools:\n  - name: p\n"},
}

// isWhole tells a whole configuration from some of its sections.
var isWhole = regexp.MustCompile(`(?m)^(listeners|pools):`)

// framed is a block as a whole configuration.
func framed(kind, block string) (string, error) {
	frame, ok := frames[kind]
	if !ok {
		return "", fmt.Errorf("yaml %s is not known: it is nothing, listener, pool, or other, which is not of fairlead", kind)
	}
	if isWhole.MatchString(block) {
		return block, nil
	}
	if frame.before != "" {
		block = "    " + strings.ReplaceAll(block, "\n", "\n    ")
	}
	if kind == "pool" && !strings.Contains(block, "    backends:") {
		block += "\n    backends: [{address: \"10.0.0.1:1\"}]\n"
	}
	return frame.before + block + frame.after, nil
}

// TestPagesShowGoodConfigurations: whatever is shown can be used.
func TestPagesShowGoodConfigurations(t *testing.T) {
	blocks := 0
	for page, text := range pages(t) {
		for _, m := range yamlBlock.FindAllStringSubmatch(text, -1) {
			blocks++
			if m[1] == "other" {
				continue
			}
			whole, err := framed(m[1], m[2])
			if err == nil {
				_, err = config.Parse(page, []byte(whole))
			}
			if err != nil {
				t.Errorf("%v in\n%s", err, m[2])
			}
		}
	}
	if blocks < 20 {
		t.Errorf("only %d blocks were found", blocks)
	}
}

var (
	mdLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdTitle   = regexp.MustCompile(`(?m)^#+ (.*)$`)
	mdFence   = regexp.MustCompile("(?sm)^```.*?^```")
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are those that GitHub gives the titles of a page.
func anchors(text string) map[string]bool {
	found := make(map[string]bool)
	for _, m := range mdTitle.FindAllStringSubmatch(mdFence.ReplaceAllString(text, ""), -1) {
		slug := notInSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		found[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return found
}

// TestLinks finds links to files and titles that do not exist.
func TestLinks(t *testing.T) {
	all := pages(t)
	for page, text := range all {
		for _, m := range mdLink.FindAllStringSubmatch(mdFence.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			name, anchor, _ := strings.Cut(m[1], "#")
			file := page
			if name != "" {
				file = filepath.Join(filepath.Dir(page), name)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if other, isPage := all[file]; anchor != "" && (!isPage || !anchors(other)[anchor]) {
				t.Errorf("%s: %s has no title #%s", page, file, anchor)
			}
		}
	}
}
