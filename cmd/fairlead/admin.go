package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fairlead/config"
	"fairlead/lb/admin"
)

// The verbs of the admin API, which talk to a running process over its socket. Nouns show, verbs change.

// defaultSocket is where the packages and the examples put the admin socket.
const defaultSocket = "unix:/run/fairlead/admin.sock"

// socketVariable names the socket for those who do not want to write it each time.
const socketVariable = "FAIRLEAD_ADMIN"

// remote is a running process.
type remote struct {
	file, socket, token string // flags
	format              string
	watch               time.Duration

	kept *http.Transport // of one who asks again and again; nil: each call has a connection of its own
}

// addFlags gives a command the flags that find the process.
func (r *remote) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&r.file, "config", "c", "", "configuration `FILE` of the running process, which names its admin socket")
	flags.StringVar(&r.socket, "admin", "", "admin `ADDRESS` of the running process: unix:/path or 127.0.0.1:port (default: as FILE says, "+
		socketVariable+", or "+defaultSocket+")")
	flags.StringVar(&r.token, "token-file", "", "`FILE` with the token, for an admin address on loopback")
}

// addViewFlags gives a noun the flags that say how to show it.
func (r *remote) addViewFlags(flags *pflag.FlagSet) {
	r.addFlags(flags)
	flags.StringVarP(&r.format, "output", "o", "table", "`FORMAT`: table, wide or json")
	flags.DurationVarP(&r.watch, "watch", "w", 0, "show it again and again, at this `INTERVAL`")
}

// address finds the socket.
func (r *remote) address() (string, error) {
	switch {
	case r.socket != "":
		return r.socket, nil
	case r.file != "":
		c, err := config.Load(r.file)
		if err != nil {
			return "", err
		}
		if c.Admin.Listen != "" {
			return c.Admin.Listen, nil
		}
		if c.Admin.TCP != "" {
			if r.token == "" {
				r.token = c.Admin.TokenFile
			}
			return c.Admin.TCP, nil
		}
		return "", fmt.Errorf("%s has no admin section; add admin: {listen: %q}, and restart", r.file, defaultSocket)
	}
	if s := os.Getenv(socketVariable); s != "" {
		return s, nil
	}
	return defaultSocket, nil
}

// callTimeout bounds one request.
const callTimeout = 30 * time.Second

// call sends one request and decodes the answer into out, unless that is nil.
func (r *remote) call(ctx context.Context, method, path string, body, out any) error {
	address, err := r.address()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	transport, host := r.kept, hostOf(address)
	if transport == nil {
		transport = transportTo(address)
		transport.DisableKeepAlives = true
	}
	var payload []byte
	if body != nil {
		if payload, err = json.Marshal(body); err != nil {
			return failed(err)
		}
	}
	q, err := http.NewRequestWithContext(ctx, method, "http://"+host+path, bytes.NewReader(payload))
	if err != nil {
		return failed(err)
	}
	if err := r.authorize(q); err != nil {
		return err
	}
	answer, err := (&http.Client{Transport: transport}).Do(q)
	if err != nil {
		return failed(&unreachableError{address, rootOf(err)})
	}
	defer func() { _ = answer.Body.Close() }()
	err = decodeAnswer(answer, out)
	var mistake refusal
	if errors.As(err, &mistake) {
		return mistake
	}
	return failed(err)
}

// refusal is what a process finds wrong with its configuration file, in the words of `fairlead check`.
type refusal string

func (r refusal) Error() string { return string(r) }

// placed is a mistake that begins with its place in a file, for editors.
var placed = regexp.MustCompile(`^[^\n]+:\d+:\d+: `)

// isPlaced reports whether all of it are such mistakes.
func (r refusal) isPlaced() bool {
	return placed.MatchString(string(r))
}

// networkOf takes an admin address apart.
func networkOf(address string) (network, at string) {
	if p, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", p
	}
	return "tcp", address
}

// hostOf is the name that requests have: the API takes those of loopback only.
func hostOf(address string) string {
	if network, at := networkOf(address); network == "tcp" {
		return at
	}
	return "localhost"
}

func transportTo(address string) *http.Transport {
	network, at := networkOf(address)
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, at)
	}}
}

// hold finds the process once and for all, and keeps connections to it between calls, which may then be made at the same time. release closes them.
func (r *remote) hold() (release func(), err error) {
	address, err := r.address()
	if err != nil {
		return nil, err
	}
	r.socket, r.kept = address, transportTo(address)
	return r.kept.CloseIdleConnections, nil
}

// unreachableError says that a process did not answer at all.
type unreachableError struct {
	address string
	err     error
}

// Error says what may be wrong.
func (e *unreachableError) Error() string {
	return fmt.Sprintf("ask the process at %s: %v; is it running, with an admin section in its configuration?", e.address, e.err)
}

// Unwrap gives what went wrong.
func (e *unreachableError) Unwrap() error { return e.err }

// rootOf takes the URL, which means nothing here, off an error of package http.
func rootOf(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func (r *remote) authorize(q *http.Request) error {
	if r.token == "" {
		return nil
	}
	token, err := os.ReadFile(r.token)
	if err != nil {
		return failed(fmt.Errorf("read the token: %w", err))
	}
	q.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return nil
}

func decodeAnswer(answer *http.Response, out any) error {
	const most = 64 << 20
	data, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		var p admin.Problem
		if json.Unmarshal(data, &p) != nil || p.Error == "" {
			return fmt.Errorf("the process answered %s", answer.Status)
		}
		if answer.StatusCode == http.StatusUnprocessableEntity {
			return refusal(p.Error)
		}
		return errors.New(p.Error)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("understand the answer: %w", err)
	}
	return nil
}

// noun makes a command that shows something. get asks for it; table writes it for people.
func noun[T any](r *remote, cmd *cobra.Command, path func(args []string) string, table func(w io.Writer, v T, wide bool)) *cobra.Command {
	r.addViewFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch r.format {
		case "table", "wide", "json":
		default:
			return fmt.Errorf("output %q: want table, wide or json", r.format)
		}
		for {
			var v T
			if err := r.call(cmd.Context(), http.MethodGet, path(args), nil, &v); err != nil {
				return err
			}
			if err := r.show(cmd.OutOrStdout(), v, func(w io.Writer) { table(w, v, r.format == "wide") }); err != nil || r.watch <= 0 {
				return failed(err)
			}
			select {
			case <-cmd.Context().Done():
				return nil
			case <-time.After(r.watch):
			}
			_, _ = fmt.Fprintln(cmd.OutOrStdout())
		}
	}
	return cmd
}

func (r *remote) show(out io.Writer, v any, table func(w io.Writer)) error {
	if r.format == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	const gap = 2
	w := tabwriter.NewWriter(out, 0, 0, gap, ' ', 0)
	table(w)
	return w.Flush()
}

// row writes one line of a table. Texts are made fit for a terminal.
func row(w io.Writer, cells ...any) {
	for i, c := range cells {
		if i > 0 {
			_, _ = io.WriteString(w, "\t")
		}
		if s, ok := c.(string); ok {
			c = printable(s)
		}
		_, _ = fmt.Fprint(w, c) // a tabwriter keeps its first error for Flush
	}
	_, _ = io.WriteString(w, "\n")
}

// printable escapes what is not to be printed: a client chooses every byte of some texts, as of the name that it asks TLS for, and such must not order the
// terminal about or make lines and cells of its own.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}
