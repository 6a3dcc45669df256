package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "edge.yml")
	if err := os.WriteFile(path, []byte("listeners: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	if err == nil || !strings.HasPrefix(err.Error(), path+":1:1: pools: ") {
		t.Errorf("Load: %v", err)
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, path string
		is         error
		says       string
	}{
		{"no such file", filepath.Join(dir, "none.yml"), fs.ErrNotExist, "none.yml"},
		{"a folder", dir, nil, "is a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := Load(c.path)
			if err == nil || cfg != nil || !strings.HasPrefix(err.Error(), "read configuration: ") || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("Load = %v, %v", cfg, err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
		})
	}
}

func TestFileSizeLimit(t *testing.T) {
	minimal := read(t, "testdata/good/minimal.yml")
	for _, c := range []struct {
		name string
		size int
		want string
	}{
		{"just fits", MaxFileSize, ""},
		{"one byte more", MaxFileSize + 1, ":1:1: the file is larger than 1MiB, the most that is read"},
		{"far more", 3 * MaxFileSize, ":1:1: the file is larger than 1MiB, the most that is read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f.yml")
			data := append(bytes.Clone(minimal), bytes.Repeat([]byte("#"), c.size-len(minimal))...)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("Load: %v", err)
			case c.want != "" && (err == nil || err.Error() != path+c.want):
				t.Errorf("Load: %v", err)
			}
		})
	}
}

func TestParseFormsOfText(t *testing.T) {
	minimal := string(read(t, "testdata/good/minimal.yml"))
	for _, c := range []struct{ name, text string }{
		{"byte order mark", "\ufeff" + minimal},
		{"lines end in CR LF", strings.ReplaceAll(minimal, "\n", "\r\n")},
		{"no last newline", strings.TrimSuffix(minimal, "\n")},
		{"document markers", "---\n" + minimal + "...\n"},
		{"trailing marker", minimal + "---\n"},
		{"comments", "# one\n" + minimal + "# two\n"},
		{"flow style", `{listeners: [{bind: [":8080"], pool: chat}], pools: [{name: chat, backends: [{address: "10.0.0.10:8000"}]}]}`},
		{"JSON", `{"listeners": [{"bind": [":8080"], "pool": "chat"}], "pools": [{"name": "chat", "backends": [{"address": "10.0.0.10:8000"}]}]}`},
		{"text blocks", strings.Replace(minimal, "pool: chat", "pool: |-\n      chat", 1)},
		{"folded text", strings.Replace(minimal, "pool: chat", "pool: >-\n      chat", 1)},
		{"pairs in a list", strings.Replace(minimal, "      - address: 10.0.0.10:8000", "      [address: '10.0.0.10:8000']", 1)},
		{"keys written out", strings.ReplaceAll(minimal, "pools:", "? pools\n:")},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := Parse("f.yml", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Listeners[0].Name != ":8080" || cfg.Pools[0].Backends[0].Name != "10.0.0.10:8000" {
				t.Errorf("read %+v", cfg)
			}
		})
	}
}

// TestAliasesDoNotMultiply follows aliases of aliases, which could stand for billions of values.
func TestAliasesDoNotMultiply(t *testing.T) {
	var b strings.Builder
	b.WriteString("listeners:\n")
	b.WriteString("  - &l0 {routes: &r0 [" + strings.Repeat("{pool: a},", 2000) + "]}\n")
	for range 2000 {
		b.WriteString("  - *l0\n")
	}
	_, err := Parse("f.yml", []byte(b.String()))
	var all Errors
	if !errors.As(err, &all) || !strings.Contains(err.Error(), "values once aliases are followed") {
		t.Fatalf("%d errors without the limit", len(all))
	}
	merges := "a: &m0 {x: 1}\n"
	for i := range 40 {
		merges += strings.NewReplacer("N", string(rune('A'+i)), "P", string(rune('A'+i-1))).Replace("N: &mN {<<: [*mP, *mP]}\n")
	}
	if _, err := Parse("f.yml", []byte(strings.ReplaceAll(merges, "*m@", "*m0"))); err == nil {
		t.Error("merges of merges were accepted")
	}
}

func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	text.WriteString("listeners:\n  - {bind: [':443'], pool: chat}\npools:\n  - name: chat\n    backends:\n")
	for i := range 10_000 {
		text.WriteString("      - {address: \"10.0." + quantityOf(i/250) + "." + quantityOf(i%250+1) + ":8000\", weight: 10}\n")
	}
	for _, c := range []struct {
		name string
		data []byte
	}{{"backends=1", read(b, "testdata/good/minimal.yml")}, {"backends=10000", []byte(text.String())}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.data)))
			for b.Loop() {
				if _, err := Parse("f.yml", c.data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func quantityOf(n int) string { return Size(n).String() }
