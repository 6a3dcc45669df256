package sys

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// unixPatience bounds how long Listen waits for another process that opens a socket in the same directory, and
// for a connect that shows whether a socket is alive.
const unixPatience = 2 * time.Second

// errNotSocket is a file of another kind where a socket should be; it is never removed.
var errNotSocket = errors.New("a file that is not a socket is in the way; move it or choose another path")

func listenUnix(ctx context.Context, path string, o ListenOptions) ([]net.Listener, error) {
	if strings.HasPrefix(path, "@") { // in the abstract namespace (unix(7)) there is no file to care for
		l, err := listenOne(ctx, "unix", path, o, false)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	if path == "" {
		return nil, errors.New("the path is empty; write unix:/path or unix:@name")
	}
	ctx, cancel := context.WithTimeout(ctx, unixPatience)
	defer cancel()
	// Between finding a socket stale and removing it another process could put a live one there. The lock keeps
	// out those that ask for it; against others removeStale looks twice.
	unlock, err := lockDirectory(ctx, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := removeStale(ctx, path); err != nil {
		return nil, err
	}
	l, err := listenOne(ctx, "unix", path, o, false)
	if err != nil {
		return nil, err
	}
	owned, err := ownFile(l, path)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return []net.Listener{owned}, nil
}

// lockDirectory takes an exclusive flock(2) on a directory, which leaves no lock file behind. A directory that
// cannot be read cannot be locked, and is used without.
func lockDirectory(ctx context.Context, dir string) (unlock func(), err error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EACCES) {
		return func() {}, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	unlock = func() { _ = unix.Close(fd) }
	for {
		// Never the blocking kind: whoever can read the directory could hold us up for ever.
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return unlock, nil
		}
		if !is(err, unix.EWOULDBLOCK, unix.EINTR) {
			unlock()
			return nil, os.NewSyscallError("flock", err)
		}
		select {
		case <-ctx.Done():
			unlock()
			return nil, fmt.Errorf("lock directory %s: another process holds it: %w", dir, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// removeStale removes the socket at path if nobody listens on it. EADDRINUSE says that somebody does.
func removeStale(ctx context.Context, path string) error {
	found, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if found.Mode().Type() != os.ModeSocket { // a symbolic link is none either: what it points to is not ours
		return errNotSocket
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
		return unix.EADDRINUSE
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		if is(err, unix.EAGAIN) { // a full backlog (connect(2)): somebody listens
			return unix.EADDRINUSE
		}
		return fmt.Errorf("find out whether the socket is in use: %w", err)
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(found, now) {
		return unix.EADDRINUSE
	}
	return os.Remove(path)
}

// unixListener removes its file on Close, but no other file that has taken the path meanwhile, as package net would.
type unixListener struct {
	*net.UnixListener
	path  string
	file  os.FileInfo
	close sync.Once
	err   error
}

func ownFile(l net.Listener, path string) (*unixListener, error) {
	file, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	u, ok := l.(*net.UnixListener)
	if !ok {
		return nil, fmt.Errorf("unexpected listener %T", l)
	}
	u.SetUnlinkOnClose(false)
	return &unixListener{UnixListener: u, path: path, file: file}, nil
}

// Close removes the file and then stops listening: the other way round the path would look stale to a process that starts.
func (l *unixListener) Close() error {
	l.close.Do(func() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(l.file, now) {
			l.err = os.Remove(l.path)
		}
		l.err = errors.Join(l.UnixListener.Close(), l.err)
	})
	return l.err
}
