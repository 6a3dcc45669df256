package daemon

import (
	"fmt"
	"os"
	"strings"

	"fairlead/lb/sys"
)

// given are the sockets that the service manager has bound already, if it has any. Where the configuration names the
// address of one, it is used instead of another: so the file is the same with socket activation and without.
type given struct {
	files   []*os.File // not looked at yet
	sockets *sys.Inherited
}

// WithSockets gives listening sockets, which New owns from then on. All of them must be named by a bind address of the
// configuration, the admin API's included: a socket that nobody accepts from lets clients wait in its queue for ever.
func WithSockets(files []*os.File) Option { return func(d *Daemon) { d.given.files = files } }

// take looks at the files.
func (g *given) take() (err error) {
	g.sockets, err = sys.Inherit(g.files)
	g.files = nil
	return err
}

// allUsed is an error that names the sockets nobody has asked for.
func (g *given) allUsed() error {
	unused := g.sockets.Unused()
	if len(unused) == 0 {
		return nil
	}
	return fmt.Errorf("no listener binds what the service manager listens on: %s; add the address to a listener's bind, or take it out of the socket unit",
		strings.Join(unused, ", "))
}

// close lets go of the sockets. The service manager's own stay open, and what arrives waits there for the next process.
func (g *given) close() {
	for _, f := range g.files {
		_ = f.Close()
	}
	g.sockets.Close()
}
