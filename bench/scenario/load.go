package scenario

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed shipped/*.yaml
var shipped embed.FS

const (
	folder    = "shipped"
	extension = ".yaml"
	// largestFile is in bytes.
	largestFile = 1 << 20
)

var errTooLarge = errors.New("a scenario file has at most 1 MiB")

// Names are the shipped scenarios, in the order of the alphabet.
func Names() []string {
	entries, err := shipped.ReadDir(folder)
	if err != nil {
		panic(fmt.Sprintf("the folder that is embedded cannot be read: %v", err))
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), extension)
	}
	return names
}

// Text is the file of a shipped scenario.
func Text(name string) ([]byte, error) {
	if !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("there is no scenario %q; shipped are %s; a file is named with a / or .yaml", name, strings.Join(Names(), ", "))
	}
	return shipped.ReadFile(path.Join(folder, name+extension))
}

// Load reads a scenario: the name of a shipped one, or a file, which has a slash or ends in .yaml or .yml.
func Load(nameOrFile string) (Scenario, error) {
	var text []byte
	var err error
	if strings.ContainsRune(nameOrFile, '/') || strings.HasSuffix(nameOrFile, extension) || strings.HasSuffix(nameOrFile, ".yml") {
		text, err = readFile(nameOrFile)
	} else {
		text, err = Text(nameOrFile)
	}
	if err != nil {
		return Scenario{}, err
	}
	return Parse(nameOrFile, text)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	defer f.Close() //nolint:errcheck // Only read from.
	text, err := io.ReadAll(io.LimitReader(f, largestFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the scenario: %w", err)
	case len(text) > largestFile:
		return nil, fmt.Errorf("%s: %w", name, errTooLarge)
	}
	return text, nil
}

// Parse reads the text of a scenario, strictly: unknown and doubled keys are mistakes. What it leaves out has its default.
// name stands for the file in errors. What it does not look at is whether the whole makes sense: Check does.
func Parse(name string, text []byte) (Scenario, error) {
	var s Scenario
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&s)
	switch {
	case errors.Is(err, io.EOF):
		return s, fmt.Errorf("%s: the file is empty", name)
	case err != nil:
		return s, fmt.Errorf("%s:%w", name, err)
	}
	s.complete()
	if err := s.Check(); err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}
