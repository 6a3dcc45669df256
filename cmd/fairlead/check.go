package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fairlead/config"
	"fairlead/lb/daemon"
)

func newCheck() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Say whether FILE is a valid configuration, and everything that is wrong with it",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return check(cmd, file) },
	}
	addConfigFlag(cmd, &file)
	return cmd
}

// check does all that run does before it binds a socket.
func check(cmd *cobra.Command, file string) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	if err := daemon.Check(c); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	backends := 0
	for _, p := range c.Pools {
		backends += len(p.Backends)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok (%s, %s, %s)\n", file,
		count(len(c.Listeners), "listener"), count(len(c.Pools), "pool"), count(backends, "backend"))
	return failed(err)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
