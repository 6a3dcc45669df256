package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files and the schema instead of comparing")

// files returns the configurations in a folder of testdata.
func files(t testing.TB, folder string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join("testdata", folder, "*.yml"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no files in testdata/%s: %v", folder, err)
	}
	return list
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// golden compares got with the file at path, or writes it there with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := read(t, path); !bytes.Equal(got, want) {
		t.Errorf("%s differs; with -update it is written anew\n got:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestGoodFiles(t *testing.T) {
	for _, path := range files(t, "good") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if _, err := Load(path); err != nil {
				t.Errorf("Load: %v", err)
			}
		})
	}
}

// TestBadFiles compares all the errors of each bad file with the golden beside it.
func TestBadFiles(t *testing.T) {
	for _, path := range files(t, "bad") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			cfg, err := Parse(filepath.Base(path), read(t, path))
			if err == nil || cfg != nil {
				t.Fatalf("Parse = %v, %v; want errors alone", cfg, err)
			}
			golden(t, strings.TrimSuffix(path, ".yml")+".err", []byte(err.Error()+"\n"))
		})
	}
}
