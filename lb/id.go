package lb

import (
	"crypto/rand"
	"encoding/hex"
	"sync/atomic"
)

// sessionID names a session across the logs of a cluster: eight random bytes of the process, and a counter.
type sessionID struct {
	n uint64
}

var (
	processID = func() string {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
		return hex.EncodeToString(b[:])
	}()
	sessions atomic.Uint64
)

func nextSessionID() sessionID { return sessionID{n: sessions.Add(1)} }

// String returns 32 hexadecimal digits.
func (id sessionID) String() string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i, n := len(b)-1, id.n; i >= 0; i, n = i-1, n>>4 {
		b[i] = digits[n&15]
	}
	return processID + string(b[:])
}
