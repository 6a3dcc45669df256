package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"fairlead/lb"
	"fairlead/lb/sys"
)

// socket is one bind address of a frontend, and the listeners that it has: one, or one a shard.
type socket struct {
	bind      string
	shards    int
	options   sys.SocketOptions
	listeners []net.Listener
}

// movable reports whether another frontend that binds the same may have the listeners: port 0 is another port each time.
func (s *socket) movable() bool { return !strings.HasSuffix(s.bind, ":0") }

// binding is how a bind address of the next configuration comes by its listeners.
type binding struct {
	socket              // as it is to be
	had    *socket      // whose listeners it takes over; nil: none
	owner  *lb.Frontend // of had
	fresh  []net.Listener
	extra  []net.Listener // of had, that are shards too many
}

// bindings finds listeners for all bind addresses of a plan: those that are there already, whatever their listener is called
// in the configuration, or new ones. gone are those that nobody wants. On error nothing has changed.
func bindings(ctx context.Context, plans []*frontendPlan, entries []*entry, given *sys.Inherited) (out map[*frontendPlan][]*binding, gone map[*entry][]*socket, err error) {
	out, gone = make(map[*frontendPlan][]*binding), make(map[*entry][]*socket)
	for _, e := range entries {
		gone[e] = slices.Clone(e.sockets)
	}
	for _, f := range plans {
		for _, bind := range f.binds {
			out[f] = append(out[f], &binding{socket: socket{bind: bind, shards: f.shards, options: f.socket}})
		}
	}
	for _, others := range []bool{false, true} { // what is a listener's own it keeps
		for _, f := range plans {
			for _, b := range out[f] {
				b.claim(f.Name, gone, others)
			}
		}
	}
	var over []net.Listener
	for _, sockets := range gone {
		for _, s := range sockets {
			over = append(over, s.listeners...)
		}
	}
	for _, f := range plans {
		for _, b := range out[f] {
			if err := b.open(ctx, over, given); err != nil {
				closeFresh(out)
				return nil, nil, fmt.Errorf("listener %q: %w", f.Name, err)
			}
		}
	}
	if err := givenOnce(plans, out); err != nil {
		closeFresh(out)
		return nil, nil, err
	}
	return out, gone, nil
}

// givenOnce is an error where two bind addresses come to one socket of the service manager's, as "localhost:443" and
// "127.0.0.1:443" do: a client would get either listener, by chance. The kernel refuses the same to sockets of our own.
func givenOnce(plans []*frontendPlan, all map[*frontendPlan][]*binding) error {
	owners := make(map[string]*binding)
	for _, f := range plans {
		for _, b := range all[f] {
			for _, l := range b.listeners {
				at := l.Addr().Network() + " " + l.Addr().String()
				switch owner := owners[at]; {
				case !sys.IsInherited(l) || owner == b:
				case owner != nil:
					return fmt.Errorf("listener %q: %q and %q are one socket, %s, which the service manager listens on; take one of them out of bind",
						f.Name, owner.bind, b.bind, l.Addr())
				default:
					owners[at] = b
				}
			}
		}
	}
	return nil
}

// claim takes over a socket of the listener of this name, or of another.
func (b *binding) claim(name string, free map[*entry][]*socket, others bool) {
	for e, sockets := range free {
		if b.had != nil || (e.Name() != name) != others {
			continue
		}
		i := slices.IndexFunc(sockets, func(s *socket) bool { return s.bind == b.bind && (!others || s.movable()) })
		if i >= 0 {
			b.had, b.owner = sockets[i], e.Frontend
			free[e] = slices.Delete(sockets, i, i+1)
		}
	}
}

// open opens the listeners that are missing.
func (b *binding) open(ctx context.Context, over []net.Listener, given *sys.Inherited) (err error) {
	o := sys.ListenOptions{Shards: b.shards, Socket: b.options}
	switch {
	case b.had == nil:
		o.Over = over
		b.fresh, err = given.Listen(ctx, b.bind, o)
	case len(b.had.listeners) < b.shards && b.had.listeners[0].Addr().Network() == "tcp":
		b.fresh, err = sys.Grow(b.had.listeners, o)
	}
	b.listeners = b.fresh
	if b.had != nil {
		kept := b.had.listeners
		if n := max(1, b.shards); len(kept) > n && !sys.IsInherited(kept[0]) {
			kept, b.extra = kept[:n], kept[n:]
		}
		b.listeners = slices.Concat(kept, b.fresh)
	}
	return err
}

// closeFresh undoes bindings.
func closeFresh(all map[*frontendPlan][]*binding) {
	for _, bs := range all {
		for _, b := range bs {
			for _, l := range b.fresh {
				_ = l.Close()
			}
		}
	}
}

// give lets a frontend accept from the listeners. Those that another had go over with what waits in their queues.
func (b *binding) give(f *lb.Frontend) error {
	var errs []error
	if b.had != nil {
		if b.owner != f {
			b.owner.Release(b.had.listeners)
			f.Add(b.had.listeners)
		}
		if b.had.options != b.options {
			for _, l := range b.had.listeners {
				errs = append(errs, sys.ApplyListen(l, b.options))
			}
		}
	}
	f.Add(b.fresh)
	return errors.Join(errs...)
}
