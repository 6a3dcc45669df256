package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"fairlead/bench/drive"
	"fairlead/cmd/internal/lifetime"
)

var errFailures = errors.New("something that must not happen has happened")

var errInterrupted = errors.New("interrupted: the result is partial")

func newLoad() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use:   "load --target URL [--scenario NAME|FILE]",
		Short: "Put an edge under the load that a scenario describes, and say what clients saw",
		Long: "load opens WebSockets to the target, which passes them on to `fairlead-bench backend`, and sends through them what the scenario\n" +
			"describes. Flags change single parts of it. Latencies of open loops are from the time at which something was to begin,\n" +
			"so an edge that stops shows for everything that waited for it.\n\n" +
			"The exit status is 0 if nothing went wrong, 1 if a tunnel was lost, a byte was wrong or anything else happened that must not,\n" +
			"2 if the command line or the scenario is not valid, 130 if the run was interrupted.",
		Example: "  fairlead-bench load --target wss://chat.example.org --ca ca.pem --scenario echo --connections 2000 --rate 10000\n" +
			"  fairlead-bench load --target wss://localhost:8443 --insecure --scenario reload --during 'fairlead reload' --every 5s --json out.json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLoad(cmd, f) },
	}
	f.add(cmd)
	return cmd
}

func runLoad(cmd *cobra.Command, f loadFlags) error {
	order, err := f.order(cmd.Flags())
	if err != nil {
		return err
	}
	ctx, release := lifetime.Until(cmd.Context())
	defer release()
	p := newProgress(cmd.ErrOrStderr())
	if !f.quiet {
		order.Tell = p.tell
	}
	result, err := drive.Run(ctx, order)
	p.end()
	if err != nil {
		return failed(err)
	}
	result.Program = drive.Program{Version: thisVersion(), Go: runtime.Version(), Command: shown(os.Args)}
	if err := f.write(cmd.OutOrStdout(), result); err != nil {
		return failed(err)
	}
	switch {
	case result.Failed > 0:
		return failed(fmt.Errorf("%w: %d times", errFailures, result.Failed))
	case result.Partial:
		return failedError{error: errInterrupted, status: statusPartial}
	}
	return nil
}

// write puts the result where it was asked for.
func (f loadFlags) write(stdout io.Writer, result drive.Result) error {
	if f.json != "-" {
		if err := result.Write(stdout); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	if f.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("write the result as JSON: %w", err)
	}
	text = append(text, '\n')
	if f.json == "-" {
		_, err = stdout.Write(text)
	} else {
		err = os.WriteFile(f.json, text, 0o644) //nolint:gosec // A report, to be shown.
	}
	if err != nil {
		return fmt.Errorf("write the result as JSON: %w", err)
	}
	return nil
}

// shown is a command line as one would type it.
func shown(args []string) []string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"$&;|<>*?(){}[]\\`") {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return quoted
}
