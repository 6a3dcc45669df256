// Package shelf has files of one kind: those that are shipped inside of the program, each by a name, and those of the user, each by its
// path; and it reads them strictly.
package shelf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

const (
	extension = ".yaml"
	// largest is in bytes.
	largest = 1 << 20
)

var errTooLarge = errors.New("the file has more than 1 MiB")

// Shelf is where the files of one kind are.
type Shelf struct {
	// Shipped has them in Folder, as NAME.yaml.
	Shipped fs.ReadDirFS
	Folder  string
	// Kind is what one of them is called in errors: "scenario".
	Kind string
}

// Names are the shipped ones, in the order of the alphabet.
func (s Shelf) Names() []string {
	entries, err := s.Shipped.ReadDir(s.Folder)
	if err != nil {
		panic(fmt.Sprintf("the folder that is embedded cannot be read: %v", err))
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), extension)
	}
	return names
}

// Text is the file of a shipped one.
func (s Shelf) Text(name string) ([]byte, error) {
	if !slices.Contains(s.Names(), name) {
		return nil, fmt.Errorf("there is no %s %q; shipped are %s; a file is named with a / or .yaml", s.Kind, name, strings.Join(s.Names(), ", "))
	}
	return fs.ReadFile(s.Shipped, path.Join(s.Folder, name+extension))
}

// Read is the text of a shipped one, or of a file, which IsPath tells apart. A file has at most 1 MiB.
func (s Shelf) Read(nameOrFile string) ([]byte, error) {
	if !IsPath(nameOrFile) {
		return s.Text(nameOrFile)
	}
	f, err := os.Open(nameOrFile)
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", s.Kind, err)
	}
	defer f.Close() //nolint:errcheck // Only read from.
	text, err := io.ReadAll(io.LimitReader(f, largest+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the %s: %w", s.Kind, err)
	case len(text) > largest:
		return nil, fmt.Errorf("read the %s %s: %w", s.Kind, nameOrFile, errTooLarge)
	}
	return text, nil
}

// IsPath says that a file is meant: it has a slash or ends in .yaml or .yml.
func IsPath(nameOrFile string) bool {
	return strings.ContainsRune(nameOrFile, '/') || strings.HasSuffix(nameOrFile, extension) || strings.HasSuffix(nameOrFile, ".yml")
}

// Decode reads YAML into value, strictly: unknown and doubled keys are mistakes. name stands for the file in errors.
func Decode(name string, text []byte, value any) error {
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(value)
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s: the file is empty", name)
	case err != nil:
		return fmt.Errorf("%s:%w", name, err)
	}
	return nil
}
