// Package demo is `fairlead demo`: a small chat on this machine, three backends behind one wss:// edge, to be watched in
// a browser. The backends are child processes of the same program; the edge is fairlead as it always is, built from a
// configuration like any other.
package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.uber.org/zap"

	"fairlead/config"
	"fairlead/lb/daemon"
	"fairlead/tlsterm/selfsigned"
)

const (
	// BackendCommand is the verb by which the demo starts its backends; ServeBackend does its work.
	BackendCommand = "demo-backend"
	// DefaultListen is where the demo is reached when nothing else is asked for.
	DefaultListen = "localhost:8443"

	listenerName     = "demo"
	anyPort          = "127.0.0.1:0" // of the dashboard
	certificateValid = 7 * 24 * time.Hour
)

var backendNames = []string{"b1", "b2", "b3"}

// Options says how to run a demo.
type Options struct {
	Listen  string // host:port; port 0 takes a free one
	Program string // the file to start the backends from: this program's own
	Out     io.Writer
	Err     io.Writer // for what backends have to say
	// NewLog makes the edge's logger as its configuration describes it.
	NewLog func(config.Log) (*zap.Logger, error)
}

// Run runs the demo until ctx ends. Then it ends the backends, the edge and its temporary files, within two seconds.
func Run(ctx context.Context, o Options) error {
	addresses, err := binds(ctx, o.Listen)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the certificate: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := settings{Bind: addresses, Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), Admin: anyPort, Token: filepath.Join(dir, "token")}
	if err := certify(s, o.Listen); err != nil {
		return err
	}
	token := rand.Text()
	if err := os.WriteFile(s.Token, []byte(token), 0o600); err != nil {
		return fmt.Errorf("keep the dashboard's token: %w", err)
	}
	backends, err := startFleet(o.Program, backendNames, o.Err)
	if err != nil {
		return err
	}
	defer backends.stop()
	s.Backends = backends.places()
	edge, err := newEdge(s, o.NewLog)
	if err != nil {
		return err
	}
	return watch(ctx, o, edge, welcome{url(o.Listen, edge.Addrs(listenerName)), dashboardURL(edge.AdminAddrs()), token, backends})
}

// certify writes a certificate for the names by which the demo may be reached, signed by itself.
func certify(s settings, listen string) error {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if host := publicHost(listen); host != "localhost" {
		hosts = append(hosts, host)
	}
	cert, key, err := selfsigned.Make(hosts, certificateValid)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	if err := os.WriteFile(s.Cert, cert, 0o600); err != nil {
		return fmt.Errorf("keep the certificate: %w", err)
	}
	if err := os.WriteFile(s.Key, key, 0o600); err != nil {
		return fmt.Errorf("keep the key: %w", err)
	}
	return nil
}

// newEdge builds fairlead from the demo's configuration. Its listeners are bound when it returns.
func newEdge(s settings, newLog func(config.Log) (*zap.Logger, error)) (*daemon.Daemon, error) {
	c, err := s.parse()
	if err != nil {
		return nil, err
	}
	log, err := newLog(c.Log)
	if err != nil {
		return nil, err
	}
	return daemon.New(c, log)
}

// watch runs the edge and tells what happens to the backends until ctx ends.
func watch(ctx context.Context, o Options, edge *daemon.Daemon, w welcome) error {
	ended, backends := make(chan error, 1), w.backends
	go serve(ctx, edge, ended)
	if err := w.write(o.Out); err != nil {
		return fmt.Errorf("say where the demo is: %w", err)
	}
	for left := len(backends.children); ; {
		select {
		case dead := <-backends.deaths:
			if left--; left > 0 {
				say(o.Out, "%s (pid %d) is gone; its users move to the other backends. It is not started again.", dead.name, dead.pid())
			} else {
				say(o.Out, "%s (pid %d) is gone too; with no backend left, visitors get status 502 or 503.", dead.name, dead.pid())
			}
		case err := <-ended:
			if ctx.Err() == nil {
				return fmt.Errorf("the edge ended by itself: %w", err)
			}
			return err
		case <-ctx.Done():
			say(o.Out, "\nending: the backends close their rooms, then the edge ends")
			backends.release() // so that the edge's sessions end and it need not wait for them
			return <-ended
		}
	}
}

// serve runs the edge until ctx ends, and reports how it ended.
func serve(ctx context.Context, edge *daemon.Daemon, ended chan<- error) { ended <- edge.Run(ctx) }

// url is where a browser finds the demo.
func url(listen string, bound []net.Addr) string {
	_, port, _ := net.SplitHostPort(listen) // binds has accepted it
	for _, address := range bound {
		if tcp, ok := address.(*net.TCPAddr); ok {
			port = strconv.Itoa(tcp.Port)
			break
		}
	}
	return "https://" + net.JoinHostPort(publicHost(listen), port)
}

// dashboardURL is where a browser finds the dashboard.
func dashboardURL(bound []net.Addr) string {
	for _, a := range bound {
		if a.Network() == "tcp" {
			return "http://" + a.String() + "/dashboard/"
		}
	}
	return ""
}

// publicHost is the name to reach a listen address by: all addresses of this machine are localhost to this machine.
func publicHost(listen string) string {
	host, _, _ := net.SplitHostPort(listen) // binds has accepted it
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		return "localhost"
	}
	return host
}
