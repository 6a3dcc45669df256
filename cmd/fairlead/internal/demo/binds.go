package demo

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// binds turns "host:port" into the addresses to listen on. localhost stands for 127.0.0.1 and ::1, whichever this
// machine has, since a browser may try either; with port 0 for the first of them only, or each would get a port of its own.
//
// Each address is tried out: the edge's own sockets have SO_REUSEPORT, with which a second demo would silently share the
// port of the first.
func binds(ctx context.Context, listen string) ([]string, error) {
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: want host:port: %w", listen, err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: the port is a number from 0 to 65535", listen)
	}
	hosts := []string{host}
	if host == "localhost" {
		if hosts, err = loopbacks(); err != nil {
			return nil, err
		}
	}
	if port == 0 {
		return []string{net.JoinHostPort(hosts[0], portText)}, nil
	}
	addresses := make([]string, len(hosts))
	for i, host := range hosts {
		addresses[i] = net.JoinHostPort(host, portText)
		if err := try(ctx, addresses[i]); err != nil {
			return nil, err
		}
	}
	return addresses, nil
}

// loopbacks gives those addresses of localhost that this machine has.
func loopbacks() ([]string, error) {
	present, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list this machine's addresses: %w", err)
	}
	var found []string
	for _, want := range []string{"127.0.0.1", "::1"} {
		for _, address := range present {
			prefix, err := netip.ParsePrefix(address.String())
			if err == nil && prefix.Addr().String() == want {
				found = append(found, want)
				break
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("this machine has no loopback address")
	}
	return found, nil
}

// try binds an address for a moment to learn whether it is free.
func try(ctx context.Context, address string) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err) // the error says what was tried where
	}
	return listener.Close()
}
