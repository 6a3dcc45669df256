package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fairlead/bench/compare"
	"fairlead/bench/scenario"
)

// What a comparison takes of a scenario if nothing else is said: enough to tell edges apart, and 20 minutes for all of them.
const (
	compareScenarios = "connect,echo,idle,bulk,storm,reload"
	compareDuration  = 5 * time.Second
	compareWarmup    = time.Second
	compareRounds    = 3
	// eventDuration is for scenarios in which something happens: a client of a storm may wait 5 s before it tries again.
	eventDuration = 12 * time.Second
)

// compareFlags are those of the command compare.
type compareFlags struct {
	edges, scenarios        []string
	custom, templates       []string
	reloads, sticky         []string
	fairlead, printConfig   string
	goals                   string
	rounds, connections     int
	rate                    float64
	duration, warmup        time.Duration
	down, reloadEvery       time.Duration
	plain, asShipped, quiet bool
	out                     outputs
}

func (f *compareFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.edges, "edges", nil, "`NAMES` of "+strings.Join(compare.Names(), ", ")+" (default: of those that the goals name, or of all, those that are installed)")
	flags.StringSliceVar(&f.scenarios, "scenario", strings.Split(compareScenarios, ","), "`NAMES` of shipped scenarios, or files (with --goals: by default those of the goals)")
	flags.StringVar(&f.goals, "goals", "", "`NAME` of shipped goals (see the command goals), or a file: what figures are judged by")
	flags.IntVar(&f.rounds, "rounds", compareRounds, "how often each edge is put under each scenario; once, if all that is in it is idle tunnels")
	flags.StringVar(&f.fairlead, "fairlead", "", "`FILE` of fairlead (default: beside this program, or as found in PATH)")
	flags.StringArrayVar(&f.custom, "edge", nil, "`NAME=COMMAND` of another edge, for sh, in the foreground. It may use {listen}, {host}, {port}, {backends}, {backend}, {cert}, {key}, {folder}, {cores}, {config}")
	flags.StringArrayVar(&f.templates, "template", nil, "`NAME=FILE` with the configuration of such an edge, or instead of the one that is shipped, a Go template like those in bench/compare/configs")
	flags.StringArrayVar(&f.reloads, "reload", nil, "`NAME=COMMAND` that has such an edge reload; {pid} too. Without it the scenario reload leaves it out")
	flags.StringSliceVar(&f.sticky, "sticky", nil, "`NAMES` of such edges that bring clients back to their backend by the cookie sid, which is then demanded")
	flags.BoolVar(&f.plain, "plain", false, "clients speak ws instead of wss")
	flags.IntVar(&f.connections, "connections", 0, "connections of all groups together, in each scenario")
	flags.Float64Var(&f.rate, "rate", 0, "messages or connections a second of all open loops together, in each scenario")
	flags.DurationVar(&f.duration, "duration", compareDuration, "how long what counts lasts; by default for storm and reload "+eventDuration.String()+", for scenarios of nothing but idle tunnels what they say")
	flags.DurationVar(&f.warmup, "warmup", compareWarmup, "how long the load goes on before it counts")
	flags.BoolVar(&f.asShipped, "as-written", false, "take duration and warm-up from the scenarios")
	flags.DurationVar(&f.down, "down", compare.DefaultDown, "how long the backend of a storm is away")
	flags.DurationVar(&f.reloadEvery, "reload-every", compare.DefaultReloadEvery, "time between two reloads")
	flags.StringVar(&f.printConfig, "print-config", "", "print the configuration of `EDGE` for the first --scenario, and do nothing else")
	flags.BoolVar(&f.quiet, "quiet", false, "do not say how it goes")
	f.out.add(flags)
	cmd.MarkFlagsMutuallyExclusive("as-written", "duration")
	cmd.MarkFlagsMutuallyExclusive("as-written", "warmup")
}

// plan is what the flags ask for.
func (f compareFlags) plan(given *pflag.FlagSet) (compare.Plan, []compare.Missing, error) {
	p := compare.Plan{Rounds: f.rounds, Plain: f.plain, Down: f.down, ReloadEvery: f.reloadEvery}
	if f.rounds < 1 {
		return p, nil, errors.New("--rounds must be at least 1")
	}
	self, err := os.Executable()
	if err != nil {
		return p, nil, failed(fmt.Errorf("find this program, which is the backend too: %w", err))
	}
	p.Backend = []string{self, "backend"}
	if f.goals != "" {
		if p.Goals, err = compare.LoadGoals(f.goals); err != nil {
			return p, nil, err
		}
	}
	if p.Scenarios, err = f.load(given, p.Goals); err != nil {
		return p, nil, err
	}
	if p.Goals != nil && !given.Changed("scenario") {
		p.Only = p.Goals.Only()
	}
	var missing []compare.Missing
	if p.Edges, missing, err = f.choose(self, p.Goals); err != nil {
		return p, nil, err
	}
	p.Scenarios = slices.DeleteFunc(p.Scenarios, func(s scenario.Scenario) bool {
		return !slices.ContainsFunc(p.Edges, func(e compare.Edge) bool { return p.Takes(e, s, 0) })
	})
	return p, missing, nil
}

// named are the scenarios that are asked for, or else those of the goals.
func (f compareFlags) named(given *pflag.FlagSet, goals *compare.Goals) ([]scenario.Scenario, error) {
	if goals != nil && !given.Changed("scenario") {
		return goals.Scenarios(), nil
	}
	var all []scenario.Scenario
	for _, name := range f.scenarios {
		s, err := scenario.Load(name)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// load reads the scenarios, as the flags change them.
func (f compareFlags) load(given *pflag.FlagSet, goals *compare.Goals) ([]scenario.Scenario, error) {
	named, err := f.named(given, goals)
	if err != nil {
		return nil, err
	}
	var all []scenario.Scenario
	for _, s := range named {
		if slices.ContainsFunc(all, func(o scenario.Scenario) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("--scenario: there are two of the name %s", s.Name)
		}
		f.time(&s, given)
		if f.connections > 0 {
			s.Connections(f.connections)
		}
		if f.rate > 0 {
			s.Rate(f.rate)
		}
		if err := s.Check(); err != nil {
			return nil, fmt.Errorf("scenario %s, as the flags change it: %w", s.Name, err)
		}
		if s.Name == compare.Reload && f.reloadEvery >= time.Duration(s.Duration) {
			return nil, errors.New("--reload-every must be less than the duration")
		}
		all = append(all, s)
	}
	return all, nil
}

// time has a scenario last as the flags say, or as is enough to tell edges apart. Memory is left the time that its scenario gives it to settle.
func (f compareFlags) time(s *scenario.Scenario, given *pflag.FlagSet) {
	keep := f.asShipped || compare.Rests(*s)
	if given.Changed("duration") || !keep {
		s.Duration = scenario.Span(f.duration)
	}
	if given.Changed("warmup") || !keep {
		s.Warmup = scenario.Span(f.warmup)
	}
	if (s.Name == compare.Storm || s.Name == compare.Reload) && !f.asShipped && !given.Changed("duration") {
		s.Duration = scenario.Span(eventDuration)
	}
}

// choose are the edges that are asked for; if none is, those of the goals, or of all, that are installed.
func (f compareFlags) choose(self string, goals *compare.Goals) ([]compare.Edge, []compare.Missing, error) {
	program := f.fairlead
	if beside := filepath.Join(filepath.Dir(self), "fairlead"); program == "" && isFile(beside) {
		program = beside
	}
	edges, missing := compare.Installed(program)
	switch {
	case len(f.edges) > 0:
		var chosen []compare.Edge
		for _, name := range f.edges {
			if _, err := compare.Known(name); err != nil {
				return nil, nil, fmt.Errorf("--edges: %w; another is given with --edge", err)
			}
			at := slices.IndexFunc(edges, func(e compare.Edge) bool { return e.Name == name })
			if at < 0 {
				how := missing[slices.IndexFunc(missing, func(m compare.Missing) bool { return m.Name == name })].How
				return nil, nil, fmt.Errorf("--edges: %s is not installed (%s)", name, how)
			}
			chosen = append(chosen, edges[at])
		}
		edges, missing = chosen, nil
	case goals != nil && len(goals.Edges) > 0:
		edges = slices.DeleteFunc(edges, func(e compare.Edge) bool { return !slices.Contains(goals.Edges, e.Name) })
		missing = slices.DeleteFunc(missing, func(m compare.Missing) bool { return !slices.Contains(goals.Edges, m.Name) })
	}
	edges, err := f.others(edges)
	if err != nil || goals == nil {
		return edges, missing, err
	}
	names := compare.Names()
	for _, e := range edges {
		if !slices.Contains(names, e.Name) {
			names = append(names, e.Name)
		}
	}
	return edges, missing, goals.Know(names)
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// others adds the edges that are given as commands, and what is given for them.
func (f compareFlags) others(edges []compare.Edge) ([]compare.Edge, error) {
	for _, text := range f.custom {
		name, command, ok := strings.Cut(text, "=")
		if !ok || name == "" || command == "" || strings.ContainsAny(name, "/ ") {
			return nil, fmt.Errorf("--edge %q must be NAME=COMMAND", text)
		}
		if slices.ContainsFunc(edges, func(e compare.Edge) bool { return e.Name == name }) {
			return nil, fmt.Errorf("--edge: there are two of the name %s", name)
		}
		edges = append(edges, compare.Edge{Name: name, Command: command, Peer: true, Sticky: slices.Contains(f.sticky, name)})
	}
	for flag, texts := range map[string][]string{"template": f.templates, "reload": f.reloads} {
		for _, text := range texts {
			name, value, ok := strings.Cut(text, "=")
			at := slices.IndexFunc(edges, func(e compare.Edge) bool { return e.Name == name })
			if !ok || at < 0 || name == compare.Direct {
				return nil, fmt.Errorf("--%s %q must begin with NAME= of an edge that is compared", flag, text)
			}
			if flag == "reload" {
				edges[at].Reload = value
				continue
			}
			template, err := os.ReadFile(value)
			if err != nil {
				return nil, fmt.Errorf("--template: %w", err)
			}
			edges[at].Template = string(template)
		}
	}
	for _, e := range edges {
		if strings.Contains(e.Command, "{config}") && e.Template == "" {
			return nil, fmt.Errorf("--edge %s has {config}, so it needs --template %s=FILE", e.Name, e.Name)
		}
	}
	return edges, nil
}

// example prints a configuration.
func (f compareFlags) example(w io.Writer) error {
	e, err := compare.Known(f.printConfig)
	if err != nil {
		return fmt.Errorf("--print-config: %w", err)
	}
	s, err := scenario.Load(f.scenarios[0])
	if err != nil {
		return err
	}
	text, err := e.Example(s, f.plain)
	if err != nil {
		return failed(err)
	}
	_, err = fmt.Fprintf(w, "%s", text)
	return failed(err)
}
