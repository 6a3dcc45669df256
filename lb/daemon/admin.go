package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

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

// adminListeners are bound.
type adminListeners struct {
	unix, tcp adminListener
	token     string
}

// adminListener is one of them; nil: there is none.
type adminListener struct {
	address string
	net.Listener
}

// listeners returns those that there are.
func (l *adminListeners) listeners() []net.Listener {
	var out []net.Listener
	for _, one := range []net.Listener{l.unix.Listener, l.tcp.Listener} {
		if one != nil {
			out = append(out, one)
		}
	}
	return out
}

func (l *adminListeners) close() {
	for _, one := range l.listeners() {
		_ = one.Close()
	}
}

// adminStage is another set of listeners, some of them those that there are.
type adminStage struct {
	next        adminListeners
	fresh, gone []net.Listener
}

// bind opens the listeners that there are not yet, or none.
func (p *adminPlan) bind(was adminListeners, given *sys.Inherited) (s adminStage, err error) {
	s.next.token = p.token
	for _, one := range []struct {
		address string
		was     adminListener
		next    *adminListener
	}{{p.unix, was.unix, &s.next.unix}, {p.tcp, was.tcp, &s.next.tcp}} {
		if one.address == one.was.address {
			*one.next = one.was
			continue
		}
		if one.was.Listener != nil {
			s.gone = append(s.gone, one.was.Listener)
		}
		if one.address == "" {
			continue
		}
		ls, err := given.Listen(context.Background(), one.address, sys.ListenOptions{Shards: 1})
		if err != nil {
			s.undo()
			return adminStage{}, fmt.Errorf("admin: %w", err)
		}
		*one.next = adminListener{one.address, ls[0]}
		s.fresh = append(s.fresh, ls[0])
	}
	return s, nil
}

// undo closes what bind has opened.
func (s *adminStage) undo() {
	for _, l := range s.fresh {
		_ = l.Close()
	}
}

// serveAdmin begins to serve the admin API on listeners.
func (d *Daemon) serveAdmin(listeners []net.Listener) {
	for _, l := range listeners {
		if l.Addr().Network() != "unix" {
			d.admin.ServeTCP(l)
		} else if err := d.admin.ServeUnix(l); err != nil {
			d.log.Error("there is no admin API", zap.Stringer("address", l.Addr()), zap.Error(errors.Join(err, l.Close())))
			continue
		}
		d.log.Info("admin API", zap.Stringer("address", l.Addr()))
	}
}

// AdminAddrs returns where the admin API is served.
func (d *Daemon) AdminAddrs() []net.Addr {
	var out []net.Addr
	on := d.state().admin
	for _, l := range on.listeners() {
		out = append(out, l.Addr())
	}
	return out
}

// Config returns the configuration in force as YAML, its secrets masked.
func (d *Daemon) Config() ([]byte, error) { return config.Marshal(d.state().config) }

// Certificates returns those in use.
func (d *Daemon) Certificates() []admin.Certificates {
	watched := d.state().watched
	out := make([]admin.Certificates, len(watched))
	for i, w := range watched {
		out[i] = admin.Certificates{Of: w.field.Key + " " + w.field.String, List: w.files.Certificates()}
	}
	return out
}

// Relay returns the tunnels.
func (d *Daemon) Relay() *relay.Group { return d.relay }

// adminLimits translates what the dashboard may cost.
func adminLimits(a *config.Admin) admin.Limits {
	return admin.Limits{Connections: a.MaxConnections, Streams: a.Streams, History: int64(a.History)}
}

// adminOptions are what the admin API shows and tells.
func (d *Daemon) adminOptions() admin.Options {
	return admin.Options{
		Edge: d, Log: d.root, Version: d.version, Started: d.started, Level: d.level, LevelChanges: d.levelSet,
		Reload: d.reloadByOrder, ReloadStatus: d.Reloads, Limits: adminLimits(&d.now.config.Admin),
	}
}
