package ws

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 prescribes it; nothing secret depends on it.
	"encoding/base64"
)

// Version is the only protocol version there is.
const Version = "13"

// acceptSuffix is the GUID of RFC 6455 section 1.3.
const acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Key is the value of Sec-WebSocket-Key for a nonce.
func Key(nonce [16]byte) string {
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// Accept is the value of Sec-WebSocket-Accept that proves that a server read key.
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + acceptSuffix)) //nolint:gosec // See above.
	return base64.StdEncoding.EncodeToString(sum[:])
}
