package compare

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"

	"fairlead/bench/scenario"
	"fairlead/bench/shelf"
)

//go:embed goals/*.yaml
var shippedGoals embed.FS

var goalFiles = shelf.Shelf{Shipped: shippedGoals, Folder: "goals", Kind: "file of goals"}

// GoalNames are the shipped goals, in the order of the alphabet.
func GoalNames() []string { return goalFiles.Names() }

// GoalText is the file of shipped goals.
func GoalText(name string) ([]byte, error) { return goalFiles.Text(name) }

// LoadGoals reads goals and the scenarios that they are measured under: the name of shipped ones, or a file, which has a slash or ends in
// .yaml or .yml.
func LoadGoals(nameOrFile string) (*Goals, error) {
	text, err := goalFiles.Read(nameOrFile)
	if err != nil {
		return nil, err
	}
	g, err := ParseGoals(nameOrFile, text)
	if err != nil {
		return nil, err
	}
	return g, g.load(filepath.Dir(nameOrFile))
}

// ParseGoals reads the text of goals, strictly: unknown and doubled keys are mistakes. name stands for the file in errors, each of which has
// its line. The scenarios are not looked for.
func ParseGoals(name string, text []byte) (*Goals, error) {
	var g Goals
	if err := shelf.Decode(name, text, &g); err != nil {
		return nil, err
	}
	s := source{name: name, text: text}
	g.edges, _ = s.place("$.edges")
	var found []error
	if len(g.Goals) == 0 {
		found = append(found, fmt.Errorf("%s: goals: at least one is needed", name))
	}
	names := make(map[string]bool)
	for i := range g.Goals {
		goal := &g.Goals[i]
		if goal.Edge == "" {
			goal.Edge = fairleadName
		}
		where := fmt.Sprintf("$.goals[%d]", i)
		goal.where, _ = s.place(where)
		mistakes := goal.check()
		if names[goal.Name] {
			mistakes = append(mistakes, mistake{key: "name", text: "there is another of that name"})
		}
		names[goal.Name] = true
		for _, m := range mistakes {
			found = append(found, s.mistake(where, m))
		}
	}
	return &g, errors.Join(found...)
}

// load reads the scenarios. Paths are from folder on.
func (g *Goals) load(folder string) error {
	loaded := make(map[string]string) // names by what the goals call them
	resolve := func(where string, called *string) error {
		if name, ok := loaded[*called]; ok || *called == "" {
			*called = name
			return nil
		}
		file := *called
		if shelf.IsPath(file) && !filepath.IsAbs(file) {
			// With a slash, so that it is taken for a file.
			file = folder + string(filepath.Separator) + file
		}
		s, err := scenario.Load(file)
		if err != nil {
			return fmt.Errorf("%s %w", where, err)
		}
		if slices.ContainsFunc(g.scenarios, func(o scenario.Scenario) bool { return o.Name == s.Name }) {
			return fmt.Errorf("%s scenario: %s is another of the name %s", where, *called, s.Name)
		}
		g.scenarios = append(g.scenarios, s)
		loaded[*called], *called = s.Name, s.Name
		return nil
	}
	for i := range g.Goals {
		goal := &g.Goals[i]
		if err := errors.Join(resolve(goal.where, &goal.Scenario), resolve(goal.where, &goal.OfScenario)); err != nil {
			return err
		}
	}
	return nil
}

// source is a file whose mistakes are told with their lines.
type source struct {
	name string
	text []byte
}

// place is where a YAML path leads to, as name:[line:column], and the text around it; the name alone if it leads nowhere.
func (s source) place(yamlPath string) (where, around string) {
	p, err := yaml.PathString(yamlPath)
	if err != nil {
		return s.name + ":", ""
	}
	node, err := p.ReadNode(bytes.NewReader(s.text))
	if err != nil || node == nil {
		return s.name + ":", ""
	}
	at := node.GetToken().Position
	// Where nothing can be shown the numbers do.
	text, _ := p.AnnotateSource(s.text, false)
	return fmt.Sprintf("%s:[%d:%d]", s.name, at.Line, at.Column), "\n" + string(text)
}

// mistake tells one at its key, or at the whole of what lacks it.
func (s source) mistake(parent string, m mistake) error {
	if m.key == "" {
		where, around := s.place(parent)
		return fmt.Errorf("%s %s%s", where, m.text, around)
	}
	where, around := s.place(parent + "." + m.key)
	if around == "" {
		where, around = s.place(parent)
	}
	return fmt.Errorf("%s %s: %s%s", where, m.key, m.text, around)
}
