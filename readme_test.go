package fairlead_test

import (
	"os"
	"regexp"
	"testing"

	"fairlead/config"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestReadmeConfiguration loads what the README tells people to start from.
func TestReadmeConfiguration(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("the README shows no configuration")
	}
	for _, block := range blocks {
		if _, err := config.Parse("README.md", block[1]); err != nil {
			t.Errorf("%v in\n%s", err, block[1])
		}
	}
}

var fileLink = regexp.MustCompile(`\]\(([^)#:]+)\)`)

// TestLinks finds links of the pages at the top to files that do not exist.
func TestLinks(t *testing.T) {
	for _, page := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range fileLink.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(string(link[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
