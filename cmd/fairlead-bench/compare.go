package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/bench/compare"
	"fairlead/bench/drive"
	"fairlead/cmd/internal/lifetime"
)

var errTrials = errors.New("something happened that must not")

func newCompare() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare [--edges NAMES] [--scenario NAMES]",
		Short: "Put several edges under the same scenarios in turn, on this machine, and compare them",
		Long: "compare starts each edge that is installed, with a configuration that does the same in all of them, in front of backends of its\n" +
			"own, puts it under each scenario, and stops it again; rounds are interleaved. `direct` is a backend without an edge. In the\n" +
			"scenario storm it kills a backend, in reload it has the edge reload another configuration. With --goals it says in the end which of\n" +
			"a file of goals were reached; they fail nothing.\n\n" +
			"The exit status is 0 if nothing went wrong, 1 if in any trial a tunnel was lost, a byte was wrong or anything else happened that\n" +
			"must not, 2 if the command line, a scenario or a goal is not valid, 130 if it was interrupted. There is a report in any case but the third.",
		Example: "  fairlead-bench compare --json out.json --html out.html\n" +
			"  fairlead-bench compare --edges direct,haproxy --scenario echo,storm --rounds 5\n" +
			"  fairlead-bench compare --edge 'mine=./edge --listen {listen} --backends {backends} --cert {cert} --key {key}' --scenario echo\n" +
			"  fairlead-bench compare --goals mine.yaml --html out.html\n" +
			"  fairlead-bench compare --print-config haproxy --scenario chat",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.printConfig != "" {
				return f.example(cmd.OutOrStdout())
			}
			return runCompare(cmd, f)
		},
	}
	f.add(cmd)
	return cmd
}

func runCompare(cmd *cobra.Command, f compareFlags) error {
	plan, missing, err := f.plan(cmd.Flags())
	if err != nil {
		return err
	}
	for _, m := range missing {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "not compared: %s is not installed (%s)\n", m.Name, m.How)
	}
	ctx, release := lifetime.Until(cmd.Context())
	defer release()
	if !f.quiet {
		follow(&plan, cmd.ErrOrStderr())
	}
	report, err := compare.Run(ctx, plan)
	if err != nil {
		return failed(err)
	}
	report.Program = drive.Program{Version: thisVersion(), Go: runtime.Version(), Command: shown(os.Args)}
	report.Missing = missing
	if err := f.out.write(cmd.OutOrStdout(), report); err != nil {
		return failed(err)
	}
	return verdict(ctx, report)
}

// verdict is the error that the exit status comes from.
func verdict(ctx context.Context, report compare.Report) error {
	switch {
	case report.Failed > 0:
		var where []string
		for _, f := range report.Failing() {
			where = append(where, f.String())
		}
		whole := "the report is complete all the same"
		if report.Partial {
			whole = "interrupted: the report is partial"
		}
		return failed(fmt.Errorf("%w: %s; %s", errTrials, strings.Join(where, "; "), whole))
	case report.Partial || ctx.Err() != nil:
		return failedError{error: errInterrupted, status: statusPartial}
	}
	return nil
}

// follow has the plan say how it goes.
func follow(plan *compare.Plan, w io.Writer) {
	p := newProgress(w)
	done := 0
	trials, left := plan.Trials()
	about := make(map[string]time.Duration)
	for _, s := range plan.Scenarios {
		about[s.Name] = compare.About(s)
	}
	plan.Began = func(edge, scenario string, round int) {
		done++
		p.end()
		_, _ = fmt.Fprintf(w, "[%d/%d] round %d  %s  %s, about %s left\n", done, trials, round+1, scenario, edge, left.Round(time.Second))
		left -= about[scenario]
	}
	if p.terminal {
		plan.Slot = p.tell
	}
	plan.Ended = func(t compare.Trial) {
		p.end()
		if t.Failed() {
			_, _ = fmt.Fprintf(w, "        %s under %s: FAILED\n", t.Edge, t.Scenario)
		}
	}
}
