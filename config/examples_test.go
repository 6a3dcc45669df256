package config

import (
	"path/filepath"
	"testing"
)

// TestExamplesLoad: what the project shows its users is valid.
func TestExamplesLoad(t *testing.T) {
	files, err := filepath.Glob("../examples/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 2 {
		t.Fatalf("only %q found", files)
	}
	for _, file := range files {
		if _, err := Load(file); err != nil {
			t.Errorf("%s:\n%v", file, err)
		}
	}
}
