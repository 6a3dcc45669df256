package compare

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"fairlead/bench/proc"
	"fairlead/tlsterm/selfsigned"
)

// Ports are taken from below the range that Linux gives to outgoing connections, so that none of those takes a port between the moment
// it was found free and the bind.
const (
	firstPort = 20000
	lastPort  = 32000
	portTries = 100
)

// validFor is how long the certificate of a run lasts.
const validFor = 24 * time.Hour

var (
	errNoPort      = errors.New("no free port")
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
	cert, key, err := selfsigned.Make([]string{"localhost", "127.0.0.1"}, validFor)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	bundle := append(append([]byte(nil), cert...), key...)
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key, "bundle.pem": bundle} {
		if err := os.WriteFile(filepath.Join(l.folder, name), text, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

func (l *lab) file(name string) string { return filepath.Join(l.folder, name) }

func (l *lab) close() error { return os.RemoveAll(l.folder) }

// freeAddress is a loopback address that nobody listens on.
func freeAddress() (string, error) {
	var err error
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // Any port will do.
		var listener net.Listener
		listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return listener.Addr().String(), listener.Close()
		}
	}
	return "", fmt.Errorf("%w: %w", errNoPort, err)
}
