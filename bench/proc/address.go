package proc

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the range that Linux gives to outgoing connections, so that none of those takes a port between the
// moment it was found free and the bind.
const (
	firstPort = 20000
	lastPort  = 32000
	portTries = 100
)

var errNoPort = errors.New("no free port")

// FreeAddress is a loopback address that nobody listens on.
func FreeAddress() (string, error) {
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
