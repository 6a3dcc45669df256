package demo

import (
	_ "embed" // for demo.yaml
	"fmt"
	"io"
	"strings"
	"text/template"

	"fairlead/config"
)

//go:embed demo.yaml
var settingsYAML string

var settingsTemplate = template.Must(template.New("demo.yaml").Parse(settingsYAML))

// settings is what differs from one run of the demo to the next.
type settings struct {
	Bind      []string
	Cert, Key string // files
	Backends  []place
	Admin     string // where the dashboard is
	Token     string // the file of what it asks for
}

// place is where a backend listens.
type place struct{ Name, Address string }

// Cookie is for the template: the name lives beside the code that sets the cookie.
func (settings) Cookie() string { return cookieName }

// write gives the configuration file of these settings.
func (s settings) write(w io.Writer) error {
	if err := settingsTemplate.Execute(w, s); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	return nil
}

// parse gives the configuration of these settings, by the way every configuration file goes.
func (s settings) parse() (*config.Config, error) {
	var text strings.Builder
	if err := s.write(&text); err != nil {
		return nil, err
	}
	c, err := config.Parse("demo.yaml", []byte(text.String()))
	if err != nil {
		return nil, fmt.Errorf("the demo's configuration: %w", err)
	}
	return c, nil
}

// PrintConfig writes the demo's configuration with example files and ports, as a start for one's own.
func PrintConfig(w io.Writer) error {
	s := settings{Bind: []string{"127.0.0.1:8443", "[::1]:8443"}, Cert: "cert.pem", Key: "key.pem", Admin: "127.0.0.1:9090", Token: "token"}
	for i, name := range backendNames {
		s.Backends = append(s.Backends, place{Name: name, Address: fmt.Sprintf("127.0.0.1:%d", 9001+i)})
	}
	return s.write(w)
}
