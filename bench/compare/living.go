package compare

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"fairlead/bench/proc"
)

// Times of an edge's start.
const (
	startTimeout = 15 * time.Second
	startPoll    = 20 * time.Millisecond
)

// outputShown is how much of a failed edge's last output an error shows, in bytes.
const outputShown = 2000

// lastOutput stands before that in an error.
const lastOutput = "; its last output:"

var (
	errNotReady = errors.New("does not answer")
	errGone     = errors.New("has ended by itself")
)

// living is an edge that runs.
type living struct {
	edge     Edge
	child    *proc.Child
	address  string
	settings Settings
	config   string // file
	output   string // file
	filled   string // what is in config
	command  string // for sh
}

// startEdge returns when the edge takes connections. It must be stopped.
func (l *lab) startEdge(ctx context.Context, e Edge, s Settings) (*living, error) {
	address, err := proc.FreeAddress()
	if err != nil {
		return nil, err
	}
	s.Listen, s.Folder, s.Descriptors = address, l.folder, l.descriptors
	v := &living{edge: e, address: address, settings: s, config: l.file(e.Name + ".config"), output: l.file(e.Name + ".out")}
	if err := v.configure(); err != nil {
		return nil, err
	}
	v.command = v.expand(e.Command)
	if err := v.launch(); err != nil {
		return nil, err
	}
	if err := v.await(ctx); err != nil {
		v.child.Stop()
		return nil, v.explain(err)
	}
	return v, nil
}

// configure writes the configuration, and beside it the one that the first reload brings.
func (v *living) configure() error {
	if v.edge.Template == "" {
		return nil
	}
	other := v.settings
	other.Idle = idleOther
	for file, s := range map[string]Settings{v.config: v.settings, v.config + ".next": other} {
		text, err := v.edge.Fill(s)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write the configuration of %s: %w", v.edge.Name, err)
		}
		if file == v.config {
			v.filled = text
		}
	}
	return nil
}

// expand puts what is known into a command.
func (v *living) expand(command string) string {
	var backends []string
	for _, b := range v.settings.Backends {
		backends = append(backends, b.Address)
	}
	pid := ""
	if v.child != nil {
		pid = strconv.Itoa(v.child.PID())
	}
	return strings.NewReplacer(
		"{program}", quote(v.edge.Program), "{config}", quote(v.config), "{listen}", v.address, "{host}", hostOf(v.address), "{port}", portOf(v.address),
		"{backends}", strings.Join(backends, ","), "{backend}", backends[0], "{folder}", v.settings.Folder, "{cores}", strconv.Itoa(v.settings.Cores),
		"{cert}", v.settings.Folder+"/cert.pem", "{key}", v.settings.Folder+"/key.pem", "{pid}", pid,
	).Replace(command)
}

// reload is the command that has the edge take another configuration than the one it has: they change places each time.
func (v *living) reload() string {
	act := v.expand(v.edge.Reload)
	if v.edge.Template == "" {
		return act
	}
	return v.expand("mv {config} {config}.was && mv {config}.next {config} && mv {config}.was {config}.next && ") + act
}

func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

func (v *living) launch() error {
	// A file and not a pipe: nothing has to read it while the trial runs.
	output, err := os.Create(v.output)
	if err != nil {
		return fmt.Errorf("make a file for the output of %s: %w", v.edge.Name, err)
	}
	defer output.Close()                                    //nolint:errcheck // The edge writes to it, not we.
	cmd := exec.Command("/bin/sh", "-c", "exec "+v.command) //nolint:gosec // The programs that are compared.
	cmd.Stdout, cmd.Stderr = output, output
	// Caddy keeps things in the home; nothing of a run is to stay behind.
	cmd.Env = append(os.Environ(), "HOME="+v.settings.Folder, "XDG_CONFIG_HOME="+v.settings.Folder, "XDG_DATA_HOME="+v.settings.Folder)
	v.child, err = proc.Start(cmd)
	return err
}

// await returns when the edge takes connections, with TLS a handshake.
func (v *living) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(startPoll)
	defer poll.Stop()
	for {
		err := v.knock(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-v.child.Done():
			return errGone
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errNotReady, err)
		case <-poll.C:
		}
	}
}

func (v *living) knock(ctx context.Context) error {
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{Timeout: time.Second}
	if v.settings.TLS {
		// Whose certificate it is the load finds out.
		dialer = &tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Second}, Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // See above.
	}
	conn, err := dialer.DialContext(ctx, "tcp", v.address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// stop ends the edge and all that it started. The error says that it had ended before.
func (v *living) stop() error {
	var err error
	select {
	case <-v.child.Done():
		err = v.explain(errGone)
	default:
	}
	v.child.Stop()
	return err
}

// explain adds the edge's name and its last output to an error.
func (v *living) explain(err error) error {
	output, errRead := os.ReadFile(v.output)
	output = bytes.TrimSpace(output[max(0, len(output)-outputShown):])
	if errRead != nil || len(output) == 0 {
		return fmt.Errorf("%s: %w", v.edge.Name, err)
	}
	return fmt.Errorf("%s: %w%s\n%s", v.edge.Name, err, lastOutput, output)
}
