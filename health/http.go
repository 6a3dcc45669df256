package health

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// StatusRange is a range of status codes, both ends included.
type StatusRange struct{ Min, Max int }

// String returns the notation of the configuration.
func (r StatusRange) String() string {
	if r.Min == r.Max {
		return strconv.Itoa(r.Min)
	}
	return fmt.Sprintf("%d-%d", r.Min, r.Max)
}

// HTTP is a Probe that sends one HTTP/1.1 request (RFC 9112) and looks at status and body.
type HTTP struct {
	Method, Path string
	Host         string         // "": what Run is given
	Status       []StatusRange  // the good ones
	Body         *regexp.Regexp // must be found in the first 64 KiB of the body; nil: anything is good
}

// Run implements Probe.
func (p *HTTP) Run(ctx context.Context, conn Conn, host string) error {
	unbind, err := bind(ctx, conn)
	if err != nil {
		return err
	}
	defer unbind()
	host = cmp.Or(p.Host, host)
	request := p.Method + " " + p.Path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: fairlead-health\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	resp, _, limit, err := exchange(conn, request, &http.Request{Method: p.Method}) //nolint:bodyclose // closing reads to its end; the connection is closed instead
	if err != nil {
		return err
	}
	if !p.good(resp.StatusCode) {
		return fmt.Errorf("answered %d, not %s", resp.StatusCode, p.wanted())
	}
	if p.Body == nil {
		return nil
	}
	limit.N += maxRaw
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if p.Body.Match(body) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	return fmt.Errorf("answered %d, and %q is not in the first %d bytes of the body", resp.StatusCode, p.Body, len(body))
}

func (p *HTTP) good(status int) bool {
	for _, r := range p.Status {
		if r.Min <= status && status <= r.Max {
			return true
		}
	}
	return false
}

func (p *HTTP) wanted() string {
	words := make([]string, len(p.Status))
	for i, r := range p.Status {
		words[i] = r.String()
	}
	return strings.Join(words, ",")
}
