package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/lb/admin"
)

// newAdminCommands are those that ask or tell a running process.
func newAdminCommands() []*cobra.Command {
	return []*cobra.Command{
		newStatus(), newListeners(), newPools(), newBackends(), newSessions(), newWhere(), newConfig(), newCertificates(),
		newDrain(), newEnable(), newDisable(), newWeight(), newKill(), newReload(), newLogLevel(), newTop(),
	}
}

func fixed(path string) func([]string) string { return func([]string) string { return path } }

func newStatus() *cobra.Command {
	cmd := &cobra.Command{Use: "status", Short: "Show how a running process is", Args: cobra.NoArgs}
	return noun(&remote{}, cmd, fixed("/v1/status"), func(w io.Writer, s admin.Status, _ bool) {
		row(w, "version", s.Version)
		row(w, "up", time.Duration(s.Uptime).Round(time.Second))
		row(w, "sessions", s.Sessions)
		row(w, "arrived", s.Arrived)
		row(w, "waiting", s.Waiting)
		row(w, "listeners", s.Listeners)
		row(w, "pools", s.Pools)
		row(w, "backends", fmt.Sprintf("%d, %d eligible", s.Backends, s.Eligible))
		if len(s.Panic) > 0 {
			row(w, "panic", strings.Join(s.Panic, ", "))
		}
		switch {
		case s.ReloadFailed:
			row(w, "reloads", fmt.Sprintf("%d; the last one failed: the file is not what is in force", s.Reloads))
		case s.ReloadedAt != nil:
			row(w, "reloads", fmt.Sprintf("%d, the last one %s ago", s.Reloads, time.Since(*s.ReloadedAt).Round(time.Second)))
		}
	})
}

func newListeners() *cobra.Command {
	cmd := &cobra.Command{Use: "listeners", Short: "Show the listeners of a running process", Args: cobra.NoArgs}
	return noun(&remote{}, cmd, fixed("/v1/listeners"), func(w io.Writer, list []admin.Listener, _ bool) {
		row(w, "LISTENER", "STATE", "SESSIONS", "ARRIVED", "ADDRESSES")
		for _, l := range list {
			row(w, l.Name, l.State, l.Sessions, l.Arrived, strings.Join(l.Addresses, " "))
		}
	})
}

func newPools() *cobra.Command {
	cmd := &cobra.Command{Use: "pools", Short: "Show the pools of a running process", Args: cobra.NoArgs}
	return noun(&remote{}, cmd, fixed("/v1/pools"), func(w io.Writer, list []admin.Pool, wide bool) {
		head := []any{"POOL", "BACKENDS", "ELIGIBLE", "SESSIONS", "WAITING", "PINS", "REMEMBERED", "NOTE"}
		if wide {
			head = append(head, "PLACED", "MOVED", "EVICTED", "QUEUE REFUSED", "QUEUE EXPIRED")
		}
		row(w, head...)
		for _, p := range list {
			note := "-"
			switch {
			case p.Panic:
				note = "panic: all are tried"
			case p.Backups:
				note = "backups in use"
			}
			cells := []any{p.Name, p.Backends, p.Eligible, p.Sessions, p.Queue.Waiting, p.Affinity.Pins, p.Affinity.Remembered, note}
			if wide {
				cells = append(cells, p.Affinity.Placed, p.Affinity.Moved, p.Affinity.Evicted, p.Queue.Refused, p.Queue.Expired)
			}
			row(w, cells...)
		}
	})
}

func newBackends() *cobra.Command {
	cmd := &cobra.Command{Use: "backends [POOL]", Short: "Show the backends of a running process, of all pools or of one", Args: cobra.MaximumNArgs(1)}
	path := func(args []string) string {
		if len(args) == 0 {
			return "/v1/backends"
		}
		return "/v1/backends?pool=" + url.QueryEscape(args[0])
	}
	r := &remote{}
	cmd.ValidArgsFunction = r.completePools
	return noun(r, cmd, path, tableOfBackends)
}

func tableOfBackends(w io.Writer, list []admin.Backend, wide bool) {
	head := []any{"POOL", "BACKEND", "STATE", "FOR", "SESSIONS", "WEIGHT", "CONNECTS", "FAILED", "REASON"}
	if wide {
		head = append(head, "ADDRESSES", "MAX", "REFUSED", "EJECTIONS", "LAST CHECK", "TOOK", "ERROR")
	}
	row(w, head...)
	for _, b := range list {
		cells := []any{
			b.Pool, b.Name, stateOf(b), time.Since(b.Since).Round(time.Second), b.Sessions, b.Weight, b.Connects, b.Failures, orDash(b.Reason),
		}
		if wide {
			cells = append(cells, strings.Join(b.Addresses, " "), b.MaxConnections, b.Refusals, b.Ejections)
			if c := b.Check; c != nil && c.At != nil {
				cells = append(cells, time.Since(*c.At).Round(time.Second), time.Duration(c.Took).Round(time.Microsecond), orDash(c.Error))
			} else {
				cells = append(cells, "-", "-", "-")
			}
		}
		row(w, cells...)
	}
}

// stateOf adds to a backend's state what people want to know with it.
func stateOf(b admin.Backend) string {
	state := b.State
	if b.Backup {
		state += ", backup"
	}
	if b.Share < 1 && b.State == "up" {
		state += fmt.Sprintf(", %.0f %%", 100*b.Share)
	}
	if d := b.Drain; d != nil {
		if d.Done != nil {
			return state + ", done"
		}
		return fmt.Sprintf("%s, %d of %d left", state, b.Sessions, max(d.Open, b.Sessions))
	}
	return state
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
