// Package load is a WebSocket client, over TLS or not, that measures: it does exactly the work that is named, checks every
// answer, and takes part in nothing that would make two edges do different work.
package load

import (
	"crypto/tls"
	"time"
)

// Target is an edge to be loaded. It is safe for concurrent use.
type Target struct {
	addresses []string
	host      string
	timeout   time.Duration
	tls       *tls.Config // nil without TLS
	check     func(tls.ConnectionState) error
}

// forgetful is a session cache that keeps nothing.
type forgetful struct{}

func (forgetful) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func (forgetful) Put(string, *tls.ClientSessionState) {}

// Forgetful is a cache for tls.Config that asks for tickets and keeps none: browsers ask, so servers make some.
func Forgetful() tls.ClientSessionCache { return forgetful{} }
