package bench

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"fairlead/bench/backend"
	"fairlead/bench/load"
	"fairlead/bench/proc"
	"fairlead/tlsterm/selfsigned"
)

// validFor is how long the certificate of a run lasts.
const validFor = 24 * time.Hour

var (
	errNoAddress  = errors.New("the backend did not tell its address")
	errNoHostRoot = errors.New("the certificate cannot be read back")
)

// lab is what all edges of a run share: a folder, a certificate and the backend.
type lab struct {
	folder      string
	descriptors int
	roots       *x509.CertPool
	backend     *proc.Child
	address     string // of the backend
}

// openLab starts the backend. The lab must be closed.
func openLab(command []string) (*lab, error) {
	folder, err := os.MkdirTemp("", "fairlead-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	l := &lab{folder: folder}
	if err := l.furnish(command); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lab) furnish(command []string) error {
	var err error
	if l.descriptors, err = proc.Descriptors(); err != nil {
		return err
	}
	if err := l.certify(); err != nil {
		return err
	}
	return l.startBackend(command)
}

func (l *lab) certify() error {
	cert, err := selfsigned.WriteFiles(l.folder, []string{load.ServerName}, validFor)
	if err != nil {
		return err
	}
	l.roots = x509.NewCertPool()
	if !l.roots.AppendCertsFromPEM(cert) {
		return errNoHostRoot
	}
	return nil
}

func (l *lab) startBackend(command []string) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer reader.Close()                            //nolint:errcheck // Only read from.
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec // The caller's own program.
	cmd.Env = append(os.Environ(), backend.ChildVariable+"=1")
	cmd.Stdout = writer
	l.backend, err = proc.Start(cmd)
	// The child has its own now; reading ends when that is closed.
	_ = writer.Close()
	if err != nil {
		return fmt.Errorf("backend: %w", err)
	}
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		return fmt.Errorf("%w: %w", errNoAddress, err)
	}
	address, err := netip.ParseAddrPort(strings.TrimSpace(line))
	if err != nil {
		return fmt.Errorf("%w: %w", errNoAddress, err)
	}
	l.address = address.String()
	return nil
}

// close stops the backend and removes the folder.
func (l *lab) close() error {
	var err error
	if l.backend != nil {
		err = l.backend.Stop()
	}
	return errors.Join(err, os.RemoveAll(l.folder))
}
