package daemon

// heapFloor is in bytes. Arrivals make garbage, about 100 KB a TLS handshake, beside a small live heap: tunnels are not
// in it. With Go's minimum of 4 MB the collector would run for every fortieth connection, and take a tenth of the
// processor. The floor counts as live and is never touched, so it takes no memory itself: it lets about as many bytes
// of garbage be before they are collected.
const heapFloor = 32 << 20

// floor keeps it live.
var floor []byte

func raiseFloor() { floor = make([]byte, heapFloor) }
