// Package scenario is what a load is made of, as data: YAML files, some of which are shipped inside of the program. It
// describes and checks; bench/drive does it.
package scenario

import (
	"encoding"
	"time"

	"fairlead/config"
)

// Scenario describes a load.
type Scenario struct {
	// Name and About say what it is.
	Name  string `yaml:"name" json:"name"`
	About string `yaml:"about" json:"about"`
	// Warmup is how long everything goes on before it counts, Duration how long it counts.
	Warmup   Span `yaml:"warmup" json:"warmup"`
	Duration Span `yaml:"duration" json:"duration"`
	// Timeout bounds each step that waits for the target: a connect, a handshake, an answer. Default 10s.
	Timeout Span `yaml:"timeout" json:"timeout"`
	// Opening is how the tunnels are opened that are to be open when the warm-up begins.
	Opening Opening `yaml:"opening" json:"opening"`
	// TLS is what a wss target is offered, or that there is none.
	TLS TLS `yaml:"tls" json:"tls"`
	// Identity is how clients say who they are.
	Identity Identity `yaml:"identity" json:"identity"`
	// During is a command that is run while the load goes on.
	During *During `yaml:"during" json:"during,omitempty"`
	// Groups go on side by side.
	Groups []Group `yaml:"groups" json:"groups"`
}

// Opening describes how tunnels are opened at the start.
type Opening struct {
	// Rate is how many a second; 0: as many as can be.
	Rate float64 `yaml:"rate" json:"rate"`
	// AtOnce is how many may be on their way at a time. Default 32.
	AtOnce int `yaml:"at_once" json:"at_once"`
}

// TLS describes a client's offer.
type TLS struct {
	// Off says that it is without TLS: the target must be a ws one, and what else is said of TLS would have no meaning.
	Off bool `yaml:"off" json:"off,omitempty"`
	// Version is "1.2" or "1.3", and what the handshake must end with; empty: either.
	Version string `yaml:"version" json:"version,omitempty"`
	// Resume offers the ticket that the identity got last. Without it tickets are taken, as browsers do, and not used.
	Resume bool `yaml:"resume" json:"resume"`
	// Curve is X25519, X25519MLKEM768 or P-256, and what the key exchange must be; empty: what crypto/tls prefers.
	Curve string `yaml:"curve" json:"curve,omitempty"`
}

// Identity describes how clients say who they are. In each text {n} stands for the number of the identity, {run} for a word that
// each run has another of, {room} for the room of a chat.
type Identity struct {
	// Cookie, Header and Query are each a name and a value, as in "sid=user-{run}-{n}"; empty: not sent.
	Cookie string `yaml:"cookie" json:"cookie,omitempty"`
	Header string `yaml:"header" json:"header,omitempty"`
	Query  string `yaml:"query" json:"query,omitempty"`
	// Count is how many identities there are; 0: one for each connection that may be open.
	Count int `yaml:"count" json:"count"`
}

// During describes a command.
type During struct {
	// Command is given to sh -c.
	Command string `yaml:"command" json:"command"`
	// Every is the time between two beginnings; the first is that long after the measured time begins. 0: once, after a
	// quarter of it.
	Every Span `yaml:"every" json:"every"`
}

// Kind is what the clients of a group do.
type Kind string

// What groups do.
const (
	// Connect opens connections, sends one message through each and closes it.
	Connect Kind = "connect"
	// Echo keeps tunnels open and sends messages that come back.
	Echo Kind = "echo"
	// Chat keeps tunnels open in rooms and sends messages that come to all of the room.
	Chat Kind = "chat"
	// Idle keeps tunnels open. Without Ping each sends a single one when it is open, so that it has been used.
	Idle Kind = "idle"
	// Download and Upload move Bytes again and again.
	Download Kind = "download"
	Upload   Kind = "upload"
)

// Kinds are all of them.
var Kinds = []Kind{Connect, Echo, Chat, Idle, Download, Upload}

// Group describes clients that do the same.
type Group struct {
	Name string `yaml:"name" json:"name"`
	Does Kind   `yaml:"does" json:"does"`
	// Connections is how many tunnels are kept open; of Connect, how many connections may exist at a time.
	Connections int `yaml:"connections" json:"connections"`
	// Path is asked for, if not the one that the backend has for what the group does. {room} is the name of the room.
	Path string `yaml:"path" json:"path,omitempty"`
	// Closed has each client begin the next when the last is done (a closed loop). Without it messages of Echo and Chat,
	// and connections of Connect, begin at times set beforehand, Rate a second over the whole group (an open loop).
	Closed bool    `yaml:"closed" json:"closed"`
	Rate   float64 `yaml:"rate" json:"rate,omitempty"`
	// Sizes are those of messages in bytes, in turn; at least 24 each. Default 128.
	Sizes []Size `yaml:"sizes" json:"sizes,omitempty"`
	// Room is how many members a room has.
	Room int `yaml:"room" json:"room,omitempty"`
	// Bytes are moved by one Download or Upload; Stall is how long the client pauses after each StallEvery bytes.
	Bytes      Size `yaml:"bytes" json:"bytes,omitempty"`
	Stall      Span `yaml:"stall" json:"stall,omitempty"`
	StallEvery Size `yaml:"stall_every" json:"stall_every,omitempty"`
	// Ping is how often each tunnel sends a ping; 0: never, but see Idle.
	Ping Span `yaml:"ping" json:"ping,omitempty"`
	// Lifetime is how long a tunnel lasts on average before it is closed and opened anew: times are exponentially
	// distributed, as departures of many independent users are. 0: as long as the run.
	Lifetime Span `yaml:"lifetime" json:"lifetime,omitempty"`
	// Reconnect has clients come back when their tunnel breaks. Without it a tunnel that breaks is a failure.
	Reconnect *Backoff `yaml:"reconnect" json:"reconnect,omitempty"`
	// Sticky makes it a failure when an identity comes to another backend than before. The backend must say its name in
	// the header X-Backend of the 101.
	Sticky bool `yaml:"sticky" json:"sticky,omitempty"`
}

// Backoff describes how long a client waits before it tries again: a time between none and a bound, which begins with
// First and doubles up to Most ("full jitter").
type Backoff struct {
	First Span `yaml:"first" json:"first"`
	Most  Span `yaml:"most" json:"most"`
}

// Span is a length of time, "10s" in files.
type Span time.Duration

var (
	_ encoding.TextUnmarshaler = (*Span)(nil)
	_ encoding.TextUnmarshaler = (*Size)(nil)
)

// UnmarshalText reads 10s, 1m30s and the like.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := config.ParseDuration(string(text))
	*s = Span(d)
	return err
}

// MarshalText writes it the same way.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Span) String() string { return time.Duration(s).String() }

// Size is a number of bytes, 128 or "64KiB" in files.
type Size int64

// UnmarshalText reads 128, 64KiB and the like.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := config.ParseSize(string(text))
	*s = Size(n)
	return err
}

// MarshalText writes it the same way.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string { return config.Size(s).String() }
