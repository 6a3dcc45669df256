package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"fairlead/bench/load"
	"fairlead/bench/proc"
)

// Times of an edge's start.
const (
	startTimeout = 15 * time.Second
	startPoll    = 20 * time.Millisecond
	// lifeTimeout bounds each step of a connection's life; longer is a failure.
	lifeTimeout = 10 * time.Second
)

// outputShown is how much of a failed edge's last output an error shows, in bytes.
const outputShown = 2000

var (
	errNotReady = errors.New("does not answer")
	errGone     = errors.New("has ended")
)

// running is a started edge.
type running struct {
	edge   Edge
	child  *proc.Child
	target load.Target
	output string // file
}

// start runs e for a workload with so many tunnels and waits until it answers. It must be stopped.
func (l *lab) start(ctx context.Context, e Edge, w Workload, tunnels int) (*running, error) {
	address, err := proc.FreeAddress()
	if err != nil {
		return nil, err
	}
	k := w.kind()
	config, err := e.writeConfig(settings{
		Listen: address, Backend: l.address, Folder: l.folder,
		Cores: runtime.NumCPU(), Descriptors: l.descriptors, Tunnels: tunnels + spareTunnels,
		Affinity: e.Affinity, TLS: !k.plain, Bulk: k.bulk,
	})
	if err != nil {
		return nil, err
	}
	r := &running{edge: e, output: filepath.Join(l.folder, e.Name+".out")}
	if k.plain {
		r.target = load.NewPlainTarget(address, lifeTimeout)
	} else {
		r.target = load.NewTarget(address, l.roots, lifeTimeout)
	}
	if err := r.launch(config); err != nil {
		return nil, err
	}
	if err := r.await(ctx); err != nil {
		return nil, r.explain(errors.Join(err, r.stop()))
	}
	return r, nil
}

func (r *running) launch(config string) error {
	// A file and not a pipe: nothing has to read it while the measurement runs.
	output, err := os.Create(r.output)
	if err != nil {
		return fmt.Errorf("make a file for the output of %s: %w", r.edge.Name, err)
	}
	defer output.Close() //nolint:errcheck // The edge writes to it, not we.
	cmd := r.edge.command(config)
	cmd.Stdout, cmd.Stderr = output, output
	r.child, err = proc.Start(cmd)
	return err
}

// await returns when a connection through the edge has worked.
func (r *running) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(startPoll)
	defer poll.Stop()
	for {
		err := life(ctx, r.target, 1)
		if err == nil {
			return nil
		}
		select {
		case <-r.child.Done():
			return errGone
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNotReady, err)
		case <-poll.C:
		}
	}
}

func (r *running) stop() error {
	return r.child.Stop()
}

// explain adds the edge's name and its last output to an error.
func (r *running) explain(err error) error {
	output, errRead := os.ReadFile(r.output)
	if errRead != nil || len(output) == 0 {
		return fmt.Errorf("%s: %w", r.edge.Name, err)
	}
	output = bytes.TrimSpace(output[max(0, len(output)-outputShown):])
	return fmt.Errorf("%s: %w; its last output:\n%s", r.edge.Name, err, output)
}
