package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"fairlead/cmd/fairlead/internal/top"
	"fairlead/lb/admin"
)

func newTop() *cobra.Command {
	var r remote
	var interval time.Duration
	cmd := &cobra.Command{
		Use: "top", Short: "Watch a running process live, full-screen; drain backends and end sessions there", Args: cobra.NoArgs,
		Long: "Watch pools, backends and sessions of a running process on the whole terminal. `?` shows the keys. Draining, enabling and killing ask first.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := top.CheckInterval(interval); err != nil {
				return fmt.Errorf("--interval: %w", err)
			}
			return watchLive(cmd, &r, interval)
		},
	}
	r.addFlags(cmd.Flags())
	cmd.Flags().DurationVarP(&interval, "interval", "i", top.DefaultInterval, "ask the process at this `INTERVAL`, 500ms at least")
	return cmd
}

// watchLive asks once before it takes the terminal: what cannot be reached at the start is an error, as it is for every noun.
func watchLive(cmd *cobra.Command, r *remote, interval time.Duration) error {
	in, out, err := terminals(cmd)
	if err != nil {
		return failed(err)
	}
	release, err := r.hold()
	if err != nil {
		return err
	}
	defer release()
	ctx, stop := untilSignal(cmd.Context())
	defer stop()
	first, err := liveSource{r, false}.Read(ctx)
	if err != nil {
		return failed(err)
	}
	first.At = time.Now()
	return failed(top.Run(ctx, liveSource{r, true}, first, top.Options{
		Interval: interval, Address: r.socket, In: in, Out: out, Environ: os.Environ(),
	}))
}

// terminals are what the view needs of the command's input and output.
func terminals(cmd *cobra.Command) (in, out *os.File, err error) {
	const instead = "; `fairlead backends --watch 2s` shows the same as lines"
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(in.Fd()) {
		return nil, nil, errors.New("standard input is not a terminal" + instead)
	}
	out, ok = cmd.OutOrStdout().(*os.File)
	if !ok || !term.IsTerminal(out.Fd()) {
		return nil, nil, errors.New("standard output is not a terminal" + instead)
	}
	if t := os.Getenv("TERM"); t == "" || t == "dumb" {
		return nil, nil, fmt.Errorf("a terminal of type %q cannot show a full screen"+instead, t)
	}
	return in, out, nil
}

// liveSource asks the admin API.
type liveSource struct {
	remote *remote
	brief  bool // errors have a line to be shown on, below the address
}

// Read is for the view.
func (s liveSource) Read(ctx context.Context) (r top.Reading, err error) {
	if err := s.get(ctx, "/v1/status", &r.Status); err != nil {
		return r, err
	}
	if err := s.get(ctx, "/v1/pools", &r.Pools); err != nil {
		return r, err
	}
	err = s.get(ctx, "/v1/backends", &r.Backends)
	return r, err
}

// Sessions is for the view.
func (s liveSource) Sessions(ctx context.Context, q top.Query) (list admin.Sessions, err error) {
	v := url.Values{"pool": {q.Of.Pool}, "limit": {strconv.Itoa(top.MostSessions)}}
	for name, value := range map[string]string{"backend": q.Of.Backend, "id": q.ID, "order": q.Order} {
		if value != "" {
			v.Set(name, value)
		}
	}
	err = s.get(ctx, "/v1/sessions?"+v.Encode(), &list)
	return list, err
}

// Drain is for the view. Clients that have a tunnel there may open more, as with `fairlead drain`.
func (s liveSource) Drain(ctx context.Context, backend top.Place) error {
	return s.tell(ctx, backend, "drain", map[string]any{"pinned": true})
}

// Enable is for the view.
func (s liveSource) Enable(ctx context.Context, backend top.Place) error {
	return s.tell(ctx, backend, "enable", nil)
}

// KillAll is for the view.
func (s liveSource) KillAll(ctx context.Context, backend top.Place) (int, error) {
	return s.kill(ctx, map[string]string{"pool": backend.Pool, "backend": backend.Backend})
}

// KillOne is for the view.
func (s liveSource) KillOne(ctx context.Context, id string) (int, error) {
	return s.kill(ctx, map[string]string{"id": id})
}

func (s liveSource) get(ctx context.Context, path string, out any) error {
	return s.call(ctx, http.MethodGet, path, nil, out)
}

func (s liveSource) tell(ctx context.Context, b top.Place, verb string, body any) error {
	return s.call(ctx, http.MethodPost, backendPath(b.Pool, b.Backend, verb), body, nil)
}

func (s liveSource) kill(ctx context.Context, filter map[string]string) (int, error) {
	var done admin.Killed
	err := s.call(ctx, http.MethodPost, "/v1/sessions/kill", map[string]any{"filter": filter}, &done)
	return done.Selected, err
}

func (s liveSource) call(ctx context.Context, method, path string, body, out any) error {
	err := s.remote.call(ctx, method, path, body, out)
	var unreachable *unreachableError
	if s.brief && errors.As(err, &unreachable) {
		return unreachable.err
	}
	return err
}
