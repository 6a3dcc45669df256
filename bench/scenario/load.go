package scenario

import (
	"embed"
	"fmt"

	"fairlead/bench/shelf"
)

//go:embed shipped/*.yaml
var shipped embed.FS

var files = shelf.Shelf{Shipped: shipped, Folder: "shipped", Kind: "scenario"}

// Names are the shipped scenarios, in the order of the alphabet.
func Names() []string { return files.Names() }

// Text is the file of a shipped scenario.
func Text(name string) ([]byte, error) { return files.Text(name) }

// Load reads a scenario: the name of a shipped one, or a file, which has a slash or ends in .yaml or .yml.
func Load(nameOrFile string) (Scenario, error) {
	text, err := files.Read(nameOrFile)
	if err != nil {
		return Scenario{}, err
	}
	return Parse(nameOrFile, text)
}

// Parse reads the text of a scenario, strictly: unknown and doubled keys are mistakes. What it leaves out has its default.
// name stands for the file in errors. What it does not look at is whether the whole makes sense: Check does.
func Parse(name string, text []byte) (Scenario, error) {
	var s Scenario
	if err := shelf.Decode(name, text, &s); err != nil {
		return s, err
	}
	s.complete()
	if err := s.Check(); err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}
