package main

import (
	"context"
	"io"
	"os"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"fairlead/config"
	"fairlead/lb/daemon"
)

func newRun() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Balance connections as FILE describes, until SIGTERM or SIGINT",
		Long: "Balance connections as FILE describes. SIGTERM or SIGINT stops accepting, lets open sessions end within\n" +
			"shutdown.grace and closes the rest; a second one ends the process at once. SIGHUP puts the file in force as it\n" +
			"is then, as `fairlead reload` does, and SIGUSR1 opens log.file anew.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd, file) },
	}
	addConfigFlag(cmd, &file)
	return cmd
}

func run(cmd *cobra.Command, file string) error {
	ctx, release := untilEnd(cmd.Context())
	defer release()
	hangups := catchHangups()
	sockets := givenSockets()
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	demands := catchReopens()
	out, logTo, err := logOutput(cmd.ErrOrStderr(), c.Log.File)
	if err != nil {
		return failed(err)
	}
	queue := newLogQueue(out, logQueueLines)
	log, level, err := newLog(c.Log, queue, isJournal(out, os.Getenv("JOURNAL_STREAM")))
	if err != nil {
		return err
	}
	go queue.drain()
	defer queue.close()
	var d *daemon.Daemon
	ready := func() {
		tellSystemd(systemd.SdNotifyReady)
		go reloadOnHangup(ctx, hangups, d) // one that came before waits there
	}
	d, err = daemon.New(c, log, daemon.WithVersion(thisBuild().Version), daemon.WithLevel(level), daemon.WithFile(file),
		daemon.WithReady(ready), daemon.WithReloading(tellReloading), daemon.WithSockets(sockets))
	if err != nil {
		return failed(err)
	}
	go reopenOnDemand(ctx, demands, logTo, log)
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go feedWatchdog(watching, d.Relay(), log)
	go tellEnding(ctx)
	return failed(d.Run(ctx))
}

// logOutput is where the log goes: a file, or standard error.
func logOutput(stderr io.Writer, path string) (io.Writer, *logFile, error) {
	if path == "" {
		return stderr, nil, nil
	}
	file, err := newLogFile(path)
	return file, file, err
}

// addConfigFlag gives a command its -c FILE.
func addConfigFlag(cmd *cobra.Command, file *string) {
	const name = "config"
	cmd.Flags().StringVarP(file, name, "c", "", "configuration `FILE` (YAML)")
	// Both fail only for a flag that does not exist.
	_ = cmd.MarkFlagRequired(name)
	_ = cmd.MarkFlagFilename(name, "yaml", "yml")
}
