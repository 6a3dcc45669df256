package compare

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fairlead/bench/proc"
	"fairlead/tlsterm/selfsigned"
)

// validFor is how long the certificate of a run lasts.
const validFor = 24 * time.Hour

var (
	errDescriptors = errors.New("too few descriptors a process (ulimit -Hn)")
)

// lab is what all trials share: a folder and a certificate in it.
type lab struct {
	folder      string
	descriptors int
}

// openLab makes the folder. The lab must be closed.
func openLab() (*lab, error) {
	folder, err := os.MkdirTemp("", "fairlead-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	l := &lab{folder: folder}
	if l.descriptors, err = proc.Descriptors(); err == nil {
		err = l.certify()
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lab) certify() error {
	_, err := selfsigned.WriteFiles(l.folder, []string{"localhost", "127.0.0.1"}, validFor)
	return err
}

func (l *lab) file(name string) string { return filepath.Join(l.folder, name) }

func (l *lab) close() error { return os.RemoveAll(l.folder) }
