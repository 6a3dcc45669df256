package relay

import "strings"

// Engines is the set of engines that have moved bytes of a tunnel; a direction may change from one to another.
type Engines uint8

// Engines, by the way they move bytes.
const (
	EngineCopy   Engines = 1 << iota // event loop, plain to plain: recv(2) and send(2)
	EngineSplice                     // event loop, plain to plain: through a pipe in the kernel (splice(2))
	EngineRecord                     // event loop, TLS on one leg or both: the record layer over recv(2) and send(2)
	EngineKTLS                       // event loop, TLS client: the kernel seals (TLS_TX)
	EngineStd                        // a goroutine a direction, over crypto/tls or whatever else the legs are
)

// EngineCount is the number of engines; engine i is 1<<i.
const EngineCount = len(words)

// words in the order of the constants; they stand in the log and in metrics.
var words = [...]string{"copy", "splice", "record", "ktls", "std"}

// String names the engines, e.g. "record+ktls"; "none" if no byte has been moved.
func (e Engines) String() string {
	var names []string
	for i, word := range words {
		if e&(1<<i) != 0 {
			names = append(names, word)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, "+")
}
