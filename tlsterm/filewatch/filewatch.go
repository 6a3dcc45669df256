// Package filewatch tells when files may have changed, however they are replaced.
package filewatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Settings are apart from Watch so that tests can be quick and can break notification.
type Settings struct {
	Settle  time.Duration // from the first sign of a change to the look at the files: pairs are written one by one
	Poll    time.Duration // between looks, where changes cannot be notified
	Recheck time.Duration // between looks where they can: network file systems, replaced directories and full queues tell nothing
	Notify  func() (*fsnotify.Watcher, error)
}

// Default are the settings to use.
var Default = Settings{
	Settle:  200 * time.Millisecond,
	Poll:    5 * time.Second,
	Recheck: time.Minute,
	Notify:  fsnotify.NewWatcher,
}

// Watch looks at files whenever something happens in a directory that their paths lead through. Directories are
// watched, not files: renames and symbolic links swap a file without touching the old one.
type Watch struct {
	Settings
	Paths   []string
	Look    func()      // something may have changed; called once at the start, too
	Polling func(error) // changes cannot be notified, so Look is called every few seconds; this is why

	watcher *fsnotify.Watcher // nil: polling
	dirs    map[string]bool   // watched
}

// Run ends with ctx and returns its error.
func (w *Watch) Run(ctx context.Context) error {
	var changes <-chan fsnotify.Event
	var failures <-chan error
	if err := w.start(); err != nil {
		w.Polling(err)
	} else {
		defer w.watcher.Close() //nolint:errcheck // inotify's descriptor, nothing to lose
		changes, failures = w.watcher.Events, w.watcher.Errors
	}
	w.look() // what changed between loading and now

	tick := time.NewTicker(w.interval())
	defer tick.Stop()
	settle := time.NewTimer(w.Settle)
	settle.Stop()
	defer settle.Stop()
	for settling := false; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes:
		case <-failures: //nolint:errcheck // such as a full queue: something changed, nobody knows what
		case <-settle.C:
			settling = false
			w.look()
			continue
		case <-tick.C:
			w.look()
			continue
		}
		// Not started anew by further changes: a directory that is never quiet would put the look off for ever.
		if !settling {
			settling = true
			settle.Reset(w.Settle)
		}
	}
}

func (w *Watch) interval() time.Duration {
	if w.watcher == nil {
		return w.Poll
	}
	return w.Recheck
}

// start leaves watcher nil if it fails.
func (w *Watch) start() error {
	watcher, err := w.Notify()
	if err != nil {
		return fmt.Errorf("start file notification: %w", err)
	}
	w.watcher, w.dirs = watcher, make(map[string]bool)
	if err := w.follow(); err != nil {
		w.watcher = nil
		return errors.Join(err, watcher.Close())
	}
	return nil
}

// look first follows, then reads, so that a change in a new place is either read or notified.
func (w *Watch) look() {
	if w.watcher != nil {
		_ = w.follow() // what cannot be watched now is found by the next recheck
	}
	w.Look()
}

// follow makes the watched directories those that the paths lead through now.
func (w *Watch) follow() error {
	want := make(map[string]bool)
	for _, p := range w.Paths {
		addDirs(want, p)
	}
	var errs []error
	for dir := range want {
		// Also if watched already: it may be another directory of that name.
		if err := w.watcher.Add(dir); err != nil {
			errs = append(errs, fmt.Errorf("watch %s: %w", dir, err))
		}
	}
	for dir := range w.dirs {
		if !want[dir] {
			_ = w.watcher.Remove(dir) // it may be gone
		}
	}
	w.dirs = want
	return errors.Join(errs...)
}

const maxLinks = 40 // Linux gives ELOOP beyond, path_resolution(7)

// addDirs adds every directory in which a change can make path another file: the one the file is in, and the one of
// each symbolic link on the way (live/cert.pem -> ../archive/cert7.pem; tls.crt -> ..data/tls.crt, ..data -> ..2026).
// Where the path breaks off, the last directory there is.
func addDirs(dirs map[string]bool, path string) {
	path, err := filepath.Abs(path)
	if err != nil {
		return // no working directory
	}
	for range maxLinks {
		dir, rest, link := firstLink(path)
		dirs[dir] = true
		if !link {
			return
		}
		name, below, _ := strings.Cut(rest, "/")
		target, err := os.Readlink(filepath.Join(dir, name))
		if err != nil {
			return // it is being replaced, which is notified
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = filepath.Join(target, below)
	}
}

// firstLink walks an absolute, clean path until a symbolic link, or the end. It returns the directory it came to,
// which has no link in it, and the rest of the path.
func firstLink(path string) (dir, rest string, link bool) {
	dir, rest = "/", path[1:]
	for {
		name, below, more := strings.Cut(rest, "/")
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil {
			return dir, rest, false
		}
		if info.Mode()&os.ModeSymlink != 0 {
			return dir, rest, true
		}
		if !more {
			return dir, rest, false
		}
		dir, rest = filepath.Join(dir, name), below
	}
}
