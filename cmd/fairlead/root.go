package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fairlead/config"
)

// Exit statuses. A second signal ends with 128 plus its number instead.
const (
	statusOK      = 0
	statusFailed  = 1 // it was understood, and went wrong
	statusInvalid = 2 // the command line or the configuration is not valid
)

// failedError marks what went wrong in doing what was asked for. Any other error is about what was asked for: cobra's own
// complaints cannot be marked.
type failedError struct{ error }

// Unwrap gives the error itself.
func (e failedError) Unwrap() error { return e.error }

// failed marks an error, if there is one.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return failedError{err}
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
	var mistakes config.Errors
	var refused refusal
	if errors.As(err, &mistakes) {
		_, _ = fmt.Fprintln(stderr, mistakes) // each line begins with its place, for editors
	} else if errors.As(err, &refused) && refused.isPlaced() {
		_, _ = fmt.Fprintln(stderr, refused)
	} else {
		_, _ = fmt.Fprintln(stderr, "fairlead:", strings.TrimSpace(err.Error()))
	}
	var failure failedError
	if errors.As(err, &failure) {
		return statusFailed
	}
	return statusInvalid
}

// newRoot builds the whole command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "fairlead",
		Short: "A layer-4 load balancer with sticky sessions for WebSocket edges",
		Long: "fairlead accepts TCP and TLS connections, finds out who the client is, and takes it to its own backend, where it\n" +
			"stays: as long as the client has a connection open, and for a while after.",
		Version:       thisBuild().Version,
		SilenceUsage:  true, // a failure is not made clearer by a page about flags
		SilenceErrors: true, // execute writes it
	}
	root.SetFlagErrorFunc(explainFlag)
	root.AddCommand(newRun(), newCheck(), newSchema(), newVersion(), newDemo(), newDemoBackend(), newMan())
	root.AddCommand(newAdminCommands()...)
	return root
}

// explainFlag adds the flags that an unknown one may have been meant to be.
func explainFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	// cobra knows how to find similar names, but only among commands: lend it the flags as such.
	names := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	similar := names.SuggestionsFor(unknown.GetSpecifiedName())
	if len(similar) == 0 {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	}
	return fmt.Errorf("%w; did you mean --%s?", err, strings.Join(similar, " or --"))
}
