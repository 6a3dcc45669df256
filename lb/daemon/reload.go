package daemon

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"fairlead/config"
	"fairlead/lb/admin"
	"fairlead/tlsterm/filewatch"
)

// reloads is how reloading has gone.
type reloads struct {
	mu     sync.Mutex
	status admin.ReloadStatus
	read   [sha256.Size]byte // stands for what was last read of the file, good or bad
}

// Reasons why nothing is reloaded.
var (
	errNoFile     = errors.New("this process was not started from a file, so there is none to reload")
	errNotRunning = errors.New("this process does not run yet, or is shutting down")
)

// Reload puts what the file says now in the place of what is in force, and returns what is different. Everything that can fail
// is done first: on an error, which is what Check would say, nothing has changed. With dryRun nothing changes in any case.
// One reload runs at a time; others wait.
func (d *Daemon) Reload(ctx context.Context, dryRun bool) ([]config.Change, error) {
	d.changing.Lock()
	defer d.changing.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.life, cancel)()
	if dryRun {
		changes, p, err := d.plan(ctx)
		if err == nil {
			err = d.inFile(p.checkPools())
		}
		return changes, err
	}
	defer d.reloading()()
	began := time.Now()
	d.reloads.look(d.file)
	changes, p, err := d.plan(ctx)
	if err == nil {
		err = d.carryOut(ctx, p)
	}
	d.reloads.note(err)
	if err != nil {
		d.log.Error("configuration not reloaded; what was in force stays", zap.String("file", d.file), zap.Error(err))
		return nil, err
	}
	d.logReload(changes, time.Since(began))
	p.warn(d.root)
	return changes, nil
}

// reloadByOrder is Reload for the admin API.
func (d *Daemon) reloadByOrder(ctx context.Context, dryRun bool) ([]admin.ReloadChange, error) {
	changes, err := d.Reload(ctx, dryRun)
	out := make([]admin.ReloadChange, len(changes))
	for i, c := range changes {
		out[i] = admin.ReloadChange{Path: c.Path, Kind: c.Kind.String(), Was: c.Was, Now: c.Now, Restart: c.NeedsRestart()}
	}
	return out, err
}

// plan reads the file, and prepares what it says, but for what a running process cannot change.
func (d *Daemon) plan(ctx context.Context) ([]config.Change, *plan, error) {
	switch {
	case d.file == "":
		return nil, nil, errNoFile
	case d.began == nil || d.ended:
		return nil, nil, errNotRunning
	}
	c, err := config.Load(d.file)
	if err != nil {
		return nil, nil, err
	}
	now := d.now.config
	changes := config.Diff(now, c)
	c.Relay, c.Log.Format, c.Log.File = now.Relay, now.Log.Format, now.Log.File
	p, err := prepare(ctx, c)
	return changes, p, d.inFile(err)
}

// inFile says which file an error is about that does not say so itself.
func (d *Daemon) inFile(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", d.file, err)
}

func (d *Daemon) carryOut(ctx context.Context, p *plan) error {
	was := d.now.config.Log.Level
	s, err := d.stage(ctx, p)
	if err != nil {
		return d.inFile(err)
	}
	s.commit()
	if level := p.config.Log.Level; level != was && d.levelSet { // otherwise an order holds
		if l, err := zapcore.ParseLevel(level); err == nil {
			d.level.SetLevel(l)
		}
	}
	return nil
}

// mostChanges bounds the line of a reload in the log.
const mostChanges = 100

func (d *Daemon) logReload(changes []config.Change, took time.Duration) {
	lines := make([]string, 0, min(len(changes), mostChanges)+1)
	for i, c := range changes {
		if i == mostChanges {
			lines = append(lines, fmt.Sprintf("and %d more", len(changes)-i))
			break
		}
		lines = append(lines, c.String())
	}
	d.log.Info("configuration reloaded", zap.String("file", d.file), zap.Strings("changes", lines), zap.Duration("took", took))
	for _, c := range changes {
		if why := c.NeedsRestart(); why != "" {
			d.log.Warn("a change takes effect when the process starts anew", zap.String("change", c.String()), zap.String("reason", why))
		}
	}
}

func (r *reloads) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.status.Failed = err != nil; r.status.Failed {
		r.status.Failures++
		return
	}
	r.status.Count++
	r.status.At = time.Now()
}

// look notes what is in the file.
func (r *reloads) look(file string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read = digestOf(file)
}

// stale reports whether there is something else in the file now.
func (r *reloads) stale(file string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read != digestOf(file)
}

// Reloads returns how reloading has gone.
func (d *Daemon) Reloads() admin.ReloadStatus {
	d.reloads.mu.Lock()
	defer d.reloads.mu.Unlock()
	return d.reloads.status
}

// watchFile begins to watch the file, unless it is watched already or a configuration does not want that. It goes on in any
// case: it may be the watch that is ending itself.
func (d *Daemon) watchFile(c *config.Config) {
	if d.file == "" || !c.Reload.Watch || d.began.of[d] != nil {
		return
	}
	d.began.begin(d, func(ctx context.Context) {
		w := filewatch.Watch{Settings: filewatch.Default, Paths: []string{d.file}, Look: func() { d.reloadStale(ctx) }, Polling: func(err error) {
			d.log.Warn("the configuration file cannot be watched; it is looked at every few seconds instead", zap.Error(err))
		}}
		if err := w.Run(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("the configuration file is not watched any more", zap.Error(err))
		}
	})
}

// reloadStale reloads if the file has changed and the configuration in force wants that.
func (d *Daemon) reloadStale(ctx context.Context) {
	if d.state().config.Reload.Watch && d.reloads.stale(d.file) {
		_, _ = d.Reload(ctx, false) // it is in the log
	}
}

// digestOf stands for what a file has in it, or for its not being there.
func digestOf(path string) [sha256.Size]byte {
	data, err := os.ReadFile(path)
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(data)
}
