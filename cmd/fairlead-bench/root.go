package main

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Exit statuses. An interrupted run, and a second signal, end with 128 plus the number of the signal, as a shell counts it.
const (
	statusOK      = 0
	statusFailed  = 1 // something that must not happen has happened, or there is no result
	statusInvalid = 2 // the command line or the scenario is not valid
	statusPartial = 130
)

// Set by the linker (-X main.version=v1.2.3); a plain `go build` leaves it to the build information.
var version string

// failedError marks what went wrong in doing what was asked for. Any other error is about what was asked for: cobra's own
// complaints cannot be marked.
type failedError struct {
	error
	status int
}

// Unwrap gives the error itself.
func (e failedError) Unwrap() error { return e.error }

// failed marks an error, if there is one.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return failedError{error: err, status: statusFailed}
}

// execute runs one command line and gives its exit status. An error is written to stderr, once.
func execute(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return statusOK
	}
	_, _ = fmt.Fprintln(stderr, "fairlead-bench:", strings.TrimSpace(err.Error()))
	var failure failedError
	if errors.As(err, &failure) {
		return failure.status
	}
	return statusInvalid
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead-bench",
		Short: "Load for WebSocket edges, and what their clients see of it",
		Long: "fairlead-bench opens WebSockets to an edge, sends through them what a scenario describes, and compares every byte that\n" +
			"comes back. Its own backend stands behind the edge. docs/benchmarking.md tells how to read the figures.",
		Version:       thisVersion(),
		SilenceUsage:  true, // a failure is not made clearer by a page about flags
		SilenceErrors: true, // execute writes it
	}
	root.AddCommand(newLoad(), newBackend(), newScenarios(), newGoals(), newCompare(), newReport())
	return root
}

// thisVersion prefers what the linker was told over what the go command noted.
func thisVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
