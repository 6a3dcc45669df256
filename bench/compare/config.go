package compare

import (
	"embed"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"text/template"

	"fairlead/bench/scenario"
)

//go:embed configs
var configs embed.FS

// text is a template that is shipped.
func text(name string) string {
	t, err := configs.ReadFile("configs/" + name)
	if err != nil {
		panic(fmt.Sprintf("a file that is embedded cannot be read: %v", err))
	}
	return string(t)
}

// Settings are what the templates are filled in with.
type Settings struct {
	// Listen is the edge's address.
	Listen   string
	Backends []Backend
	// Folder holds cert.pem, key.pem and, both in one, bundle.pem; the edge may write there.
	Folder string
	// Cores is how many workers or threads to run, Descriptors how many descriptors each may have, Tunnels how many may be open in all.
	Cores, Descriptors, Tunnels int
	// TLS says whether clients use it, Bulk that tunnels carry much.
	TLS, Bulk bool
	// Room has the room in the query say where a client belongs, instead of the cookie sid.
	Room bool
	// Idle is how long a tunnel may be idle, long: one hour or two, which is what a reload changes.
	Idle string
	// StreamModule is the edge's.
	StreamModule string
}

// Backend is one of those behind an edge.
type Backend struct{ Name, Address string }

// Host and Port are the parts of the address.
func (b Backend) Host() string { return hostOf(b.Address) }

// Port is the other part.
func (b Backend) Port() string { return portOf(b.Address) }

// Host and Port are the parts of Listen.
func (s Settings) Host() string { return hostOf(s.Listen) }

// Port is the other part.
func (s Settings) Port() string { return portOf(s.Listen) }

// Connections is how many nginx counts if one worker gets all: both sides of every tunnel.
func (s Settings) Connections() int { return 2 * s.Tunnels }

func hostOf(address string) string {
	host, _, _ := net.SplitHostPort(address) // an address of ours
	return host
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address) // an address of ours
	return port
}

// What a tunnel may take before it is closed for being idle; a reload changes from one to the other and back.
const (
	idleFirst = "1h"
	idleOther = "2h"
)

// spareTunnels is how many connections beyond those of a scenario may be open, such as ones that are being closed.
const spareTunnels = 512

// settingsFor are what a scenario asks of every edge; the lab adds the places.
func settingsFor(s scenario.Scenario) Settings {
	c := Settings{Cores: runtime.NumCPU(), Tunnels: s.Seats() + spareTunnels, Idle: idleFirst, Room: strings.HasPrefix(s.Identity.Query, "room=")}
	for _, g := range s.Groups {
		c.Bulk = c.Bulk || g.Does == scenario.Download || g.Does == scenario.Upload
	}
	return c
}

// backendsFor is how many backends stand behind an edge. A room is on one backend, so a chat whose clients do not say their room to the
// edge has only one.
func backendsFor(s scenario.Scenario, e Edge) int {
	for _, g := range s.Groups {
		if g.Does == scenario.Chat && (!e.Sticky || !settingsFor(s).Room) {
			return 1
		}
	}
	if e.Name == Direct {
		return 1
	}
	return severalBackends
}

// severalBackends is how many stand behind an edge otherwise.
const severalBackends = 3

// Fill makes the configuration of e.
func (e Edge) Fill(s Settings) (string, error) {
	t, err := template.New(e.Name).Option("missingkey=error").Parse(e.Template)
	if err != nil {
		return "", fmt.Errorf("read the template of %s: %w", e.Name, err)
	}
	s.StreamModule = e.StreamModule
	var text strings.Builder
	if err := t.Execute(&text, s); err != nil {
		return "", fmt.Errorf("fill in the template of %s: %w", e.Name, err)
	}
	return text.String(), nil
}

// Example is the configuration of e for a scenario, with addresses that stand for those of a run.
func (e Edge) Example(s scenario.Scenario, plain bool) (string, error) {
	c := settingsFor(s)
	c.Listen, c.Folder, c.Descriptors, c.TLS = "127.0.0.1:8443", "/tmp/fairlead-bench", 1<<20, !plain && !s.TLS.Off
	for i := range backendsFor(s, e) {
		c.Backends = append(c.Backends, Backend{Name: backendName(i), Address: "127.0.0.1:" + strconv.Itoa(9000+i)})
	}
	return e.Fill(c)
}

func backendName(i int) string { return "b" + strconv.Itoa(i) }
