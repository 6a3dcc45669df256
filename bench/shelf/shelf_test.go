package shelf

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var boxes = Shelf{Kind: "box", Folder: "in", Shipped: fstest.MapFS{
	"in/b.yaml": {Data: []byte("size: 2\n")}, "in/a.yaml": {Data: []byte("size: 1\n")},
}}

func TestRead(t *testing.T) {
	folder := t.TempDir()
	file := func(name string, size int) string {
		name = filepath.Join(folder, name)
		if err := os.WriteFile(name, bytes.Repeat([]byte("#"), size), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	tests := []struct {
		name, of, want, err string
	}{
		{name: "shipped", of: "a", want: "size: 1\n"},
		{name: "unknown", of: "c", err: `there is no box "c"; shipped are a, b`},
		{name: "file", of: file("mine.yaml", 3), want: "###"},
		{name: "another extension", of: file("mine", 2), want: "##"},
		{name: "largest", of: file("large.yml", largest), want: strings.Repeat("#", largest)},
		{name: "too large", of: file("larger.yml", largest+1), err: "more than 1 MiB"},
		{name: "no file", of: "none.yml", err: "read the box: open none.yml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := boxes.Read(tt.of)
			switch {
			case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("got %v, want %q", err, tt.err)
			case err == nil && string(text) != tt.want:
				t.Errorf("got %.20q, want %.20q", text, tt.want)
			}
		})
	}
	if names := boxes.Names(); !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("got %v", names)
	}
}

func TestDecode(t *testing.T) {
	tests := []struct{ name, text, err string }{
		{name: "good", text: "size: 1"},
		{name: "empty", err: "x.yaml: the file is empty"},
		{name: "unknown", text: "size: 1\nsise: 2\n", err: "x.yaml:[2:1] unknown field"},
		{name: "twice", text: "size: 1\nsize: 2\n", err: "x.yaml:[2:1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var box struct {
				Size int `yaml:"size"`
			}
			err := Decode("x.yaml", []byte(tt.text), &box)
			switch {
			case tt.err == "" && (err != nil || box.Size != 1):
				t.Errorf("got %+v, %v", box, err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}
