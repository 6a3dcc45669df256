package demo

import (
	"bytes"
	_ "embed" // for banner.txt
	"fmt"
	"io"
	"strings"
	"text/template"
)

//go:embed banner.txt
var bannerText string

var bannerTemplate = template.Must(template.New("banner").Parse(bannerText))

// welcome is what a visitor is told.
type welcome struct {
	url, dashboard, token string
	backends              *fleet
}

// write tells where the demo is and what to try. Its last line, "ready URL", is for programs that wait for it.
func (v welcome) write(w io.Writer) error {
	type backend struct {
		Name, Address string
		PID           int
	}
	var list []backend
	for _, c := range v.backends.children {
		list = append(list, backend{c.name, c.address, c.pid()})
	}
	var text bytes.Buffer
	if err := bannerTemplate.Execute(&text, map[string]any{
		"URL": v.url, "Dashboard": v.dashboard, "Token": v.token, "Socket": "wss" + strings.TrimPrefix(v.url, "https"), "Cookie": cookieName, "Backends": list,
	}); err != nil {
		return fmt.Errorf("make the banner: %w", err)
	}
	_, err := text.WriteTo(w)
	return err
}

// say writes one line. Nobody may be listening any more, and that is no reason to end the demo.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
