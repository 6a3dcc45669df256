package drive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"fairlead/bench/proc"
	"fairlead/bench/scenario"
)

// outputKept is how much a command's output is kept, its end, in bytes.
const outputKept = 2000

var errCommand = errors.New("the command failed")

// CommandResult is one run of the command.
type CommandResult struct {
	// At is when it began, in seconds since the run did; Took how long it lasted, in milliseconds.
	At   float64 `json:"at_s"`
	Took float64 `json:"took_ms"`
	// Status is how it exited; -1: by a signal, or it was stopped.
	Status int    `json:"status"`
	Output string `json:"output,omitempty"`
}

// disturb runs the command as often as is asked for, until ctx ends.
func (r *run) disturb(ctx context.Context, d scenario.During) {
	every := time.Duration(d.Every)
	first := every
	if every == 0 {
		first = time.Duration(r.scenario.Duration) / 4
	}
	pause(ctx, first)
	for ctx.Err() == nil {
		begun := time.Now()
		result, err := r.command(ctx, d.Command)
		r.commands = append(r.commands, result)
		if err != nil && ctx.Err() == nil {
			r.fail(FailCommand, err)
		}
		if every == 0 {
			return
		}
		pause(ctx, every-time.Since(begun))
	}
}

// command runs the command once. When ctx ends before, it and what it started is stopped.
func (r *run) command(ctx context.Context, text string) (CommandResult, error) {
	result := CommandResult{At: r.since(time.Now()).Seconds(), Status: -1}
	output, err := os.CreateTemp("", "fairlead-bench-during-")
	if err != nil {
		return result, fmt.Errorf("%w: %w", errCommand, err)
	}
	defer os.Remove(output.Name()) //nolint:errcheck // A file in the folder for such.
	defer output.Close()           //nolint:errcheck // See above.
	// A file and not a pipe: what the command leaves running may hold a pipe open.
	cmd := exec.Command("/bin/sh", "-c", text) //nolint:gosec // The user's own command.
	cmd.Stdout, cmd.Stderr = output, output
	begun := time.Now()
	child, err := proc.Start(cmd)
	if err != nil {
		return result, fmt.Errorf("%w: %w", errCommand, err)
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		child.Stop()
	}
	result.Took = milliseconds(time.Since(begun))
	result.Status = cmd.ProcessState.ExitCode()
	said, _ := os.ReadFile(output.Name()) // what cannot be read is not shown
	result.Output = string(bytes.TrimSpace(said[max(0, len(said)-outputKept):]))
	if result.Status != 0 {
		return result, fmt.Errorf("%w: status %d: %s", errCommand, result.Status, strings.TrimSpace(result.Output))
	}
	return result, nil
}
