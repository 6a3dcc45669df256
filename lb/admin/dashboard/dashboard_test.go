package dashboard

import (
	"regexp"
	"strings"
	"testing"
)

// TestFilesKeepThePolicy: what the browser would refuse, or what would be read as HTML, is not there in the first place.
func TestFilesKeepThePolicy(t *testing.T) {
	bad := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|localStorage|document\.cookie|\sstyle="|\son[a-z]+="|javascript:`)
	elsewhere := regexp.MustCompile(`(?:https?:)?//[a-z0-9.-]+\.[a-z]+`)
	for name, f := range load() {
		text := strings.ReplaceAll(string(f.data), "http://www.w3.org/2000/svg", "") // a name, and no address
		if m := bad.FindString(text); m != "" {
			t.Errorf("%s has %q", name, m)
		}
		if m := elsewhere.FindString(text); m != "" {
			t.Errorf("%s leads elsewhere: %q", name, m)
		}
		if f.kind == "" || f.tag == "" {
			t.Errorf("%s: kind %q, tag %q", name, f.kind, f.tag)
		}
	}
}

// TestFilesAreThere that others load.
func TestFilesAreThere(t *testing.T) {
	files := load()
	loads := regexp.MustCompile(`(?:from "\./|import "\./|src="|href=")([^"#]+)"`)
	used := map[string]bool{"index.html": true}
	for name, f := range files {
		for _, m := range loads.FindAllStringSubmatch(string(f.data), -1) {
			used[m[1]] = true
			if _, ok := files[m[1]]; !ok {
				t.Errorf("%s loads %s, which is not there", name, m[1])
			}
		}
	}
	for name := range files {
		if !used[name] {
			t.Errorf("nobody loads %s", name)
		}
	}
	script := regexp.MustCompile(`<script[^>]*>`)
	for _, tag := range script.FindAllString(string(files["index.html"].data), -1) {
		if !strings.Contains(tag, "src=") {
			t.Errorf("a script within the page: %s", tag)
		}
	}
}
