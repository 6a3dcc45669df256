package main

import (
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"fairlead/cmd/fairlead/internal/demo"
	"fairlead/config"
)

func newDemo() *cobra.Command {
	var listen string
	var printConfig bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a small chat on this machine: three backends behind one wss:// edge",
		Long: "Run a small chat on this machine: three backends behind one wss:// edge, with a certificate made on the spot.\n" +
			"It prints where to point a browser and what to try, and ends with Ctrl-C.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if printConfig {
				return failed(demo.PrintConfig(cmd.OutOrStdout()))
			}
			return runDemo(cmd, listen)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", demo.DefaultListen, "where to listen, `host:port`; port 0 takes a free one, on one address")
	cmd.Flags().BoolVar(&printConfig, "print-config", false, "print the demo's configuration and do not run it")
	return cmd
}

func runDemo(cmd *cobra.Command, listen string) error {
	ctx, release := untilEnd(cmd.Context())
	defer release()
	program, err := os.Executable()
	if err != nil {
		return failed(fmt.Errorf("find this program's file: %w", err))
	}
	err = demo.Run(ctx, demo.Options{
		Listen: listen, Program: program, Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr(),
		NewLog: func(described config.Log) (*zap.Logger, error) {
			log, _, err := newLog(described, cmd.ErrOrStderr(), false)
			return log, err
		},
	})
	return failed(err)
}

// newDemoBackend is the demo's own: it starts its backends by it.
func newDemoBackend() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:    demo.BackendCommand,
		Short:  "One chat backend of the demo; ends when its standard input does",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A terminal's Ctrl-C reaches this process too, but the demo decides when its backends end.
			signal.Ignore(os.Interrupt)
			return failed(demo.ServeBackend(cmd.Context(), name, cmd.InOrStdin(), cmd.OutOrStdout()))
		},
	}
	cmd.Flags().StringVar(&name, "name", "backend", "what the backend calls itself")
	return cmd
}
