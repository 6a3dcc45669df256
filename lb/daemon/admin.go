package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"fairlead/config"
	"fairlead/lb/admin"
	"fairlead/lb/relay"
	"fairlead/lb/sys"
)

// adminPlan is where the admin API is to be served.
type adminPlan struct {
	unix, tcp string // addresses; "": not there
	token     string
}

// leastToken is the shortest token in bytes: what is shorter can be guessed over loopback.
const leastToken = 16

// mostToken bounds the file, in bytes.
const mostToken = 4 << 10

// buildAdmin translates the admin API, and reads its token.
func buildAdmin(c *config.Admin) (adminPlan, error) {
	p := adminPlan{unix: c.Listen, tcp: c.TCP}
	if c.TokenFile == "" {
		return p, nil
	}
	data, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return p, fmt.Errorf("token_file: %w", err)
	}
	p.token = strings.TrimSpace(string(data))
	switch {
	case len(p.token) < leastToken:
		return p, fmt.Errorf("token_file: %s has a token of %d characters; at least %d are needed, as `openssl rand -hex 32` makes them",
			c.TokenFile, len(p.token), leastToken)
	case len(data) > mostToken || strings.ContainsAny(p.token, " \t\r\n"):
		return p, fmt.Errorf("token_file: %s holds more than a token", c.TokenFile)
	}
	return p, nil
}

// adminListeners are bound and not served yet.
type adminListeners struct {
	unix, tcp []net.Listener
	token     string
}

// bind opens the listeners, or none.
func (p *adminPlan) bind() (adminListeners, error) {
	l := adminListeners{token: p.token}
	var err error
	if p.unix != "" {
		if l.unix, err = sys.Listen(context.Background(), p.unix, sys.ListenOptions{Shards: 1}); err != nil {
			return l, err
		}
	}
	if p.tcp != "" {
		if l.tcp, err = sys.Listen(context.Background(), p.tcp, sys.ListenOptions{Shards: 1}); err != nil {
			l.close()
			return adminListeners{}, err
		}
	}
	return l, nil
}

func (l *adminListeners) close() {
	for _, one := range append(l.unix, l.tcp...) {
		_ = one.Close()
	}
}

// serveAdmin begins to serve the admin API. The function that it returns ends that.
func (d *Daemon) serveAdmin() (stop func(), err error) {
	if len(d.adminOn.unix)+len(d.adminOn.tcp) == 0 {
		return func() {}, nil
	}
	s := admin.New(admin.Options{Edge: d, Log: d.root, Version: d.version, Started: time.Now(), Level: d.level, LevelChanges: d.levelSet})
	var errs []error
	for _, l := range d.adminOn.unix {
		if err := s.ServeUnix(l); err != nil {
			errs = append(errs, err, l.Close())
			continue
		}
		d.log.Info("admin API", zap.Stringer("address", l.Addr()))
	}
	for _, l := range d.adminOn.tcp {
		s.ServeTCP(l, d.adminOn.token)
		d.log.Info("admin API", zap.Stringer("address", l.Addr()))
	}
	return s.Close, errors.Join(errs...)
}

// AdminAddrs returns where the admin API is served.
func (d *Daemon) AdminAddrs() []net.Addr {
	var out []net.Addr
	for _, l := range append(d.adminOn.unix, d.adminOn.tcp...) {
		out = append(out, l.Addr())
	}
	return out
}

// Config returns the configuration in force as YAML, its secrets masked.
func (d *Daemon) Config() ([]byte, error) { return config.Marshal(d.config) }

// Certificates returns those in use.
func (d *Daemon) Certificates() []admin.Certificates {
	out := make([]admin.Certificates, len(d.watched))
	for i, w := range d.watched {
		out[i] = admin.Certificates{Of: w.field.Key + " " + w.field.String, List: w.files.Certificates()}
	}
	return out
}

// Relay returns the tunnels.
func (d *Daemon) Relay() *relay.Group { return d.relay }
