package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fairlead/lb/admin"
)

// filters are the flags that say which sessions are meant.
type filters struct{ flags *pflag.FlagSet }

// filterNames are the flags, and what they are in the API.
var filterNames = map[string]string{
	"id": "id", "listener": "listener", "pool": "pool", "backend": "backend", "host": "host", "client": "client",
	"min-age": "min_age", "min-idle": "min_idle", "min-bytes": "min_bytes", "limit": "limit",
}

func addFilters(flags *pflag.FlagSet) filters {
	flags.String("id", "", "the session of this `ID`")
	flags.String("listener", "", "of this `LISTENER`")
	flags.String("pool", "", "of this `POOL`")
	flags.String("backend", "", "on the `BACKEND` of this name")
	flags.String("host", "", "whose first request names this `HOST`")
	flags.String("client", "", "from this `ADDRESS` or network, as in 10.0.0.0/8")
	flags.Duration("min-age", 0, "open for this `TIME` at least")
	flags.Duration("min-idle", 0, "without a byte for this `TIME` at least")
	flags.Uint64("min-bytes", 0, "with so many `BYTES` at least, both ways together")
	flags.Int("limit", 0, "at most this `NUMBER`: of those shown the first, of those killed the longest idle")
	return filters{flags}
}

// given are the filters that were written.
func (f filters) given() map[string]string {
	m := map[string]string{}
	f.flags.Visit(func(flag *pflag.Flag) {
		if name, ok := filterNames[flag.Name]; ok {
			m[name] = flag.Value.String()
		}
	})
	return m
}

func newSessions() *cobra.Command {
	cmd := &cobra.Command{Use: "sessions", Short: "Show open tunnels of a running process", Args: cobra.NoArgs}
	f := addFilters(cmd.Flags())
	var order string
	cmd.Flags().StringVar(&order, "order", "age", "age, idle, up or down: by `WHAT` they are ordered, the largest first, or with a - before it the smallest")
	path := func([]string) string {
		q := url.Values{"order": {order}}
		for name, value := range f.given() {
			q.Set(name, value)
		}
		return "/v1/sessions?" + q.Encode()
	}
	return noun(&remote{}, cmd, path, func(w io.Writer, v admin.Sessions, wide bool) {
		head := []any{"CLIENT", "BACKEND", "AGE", "IDLE", "UP", "DOWN", "HOST", "PATH"}
		if wide {
			head = append(head, "LISTENER", "AFFINITY", "ENGINE", "TLS", "SNI", "ID")
		}
		row(w, head...)
		for _, s := range v.Sessions {
			cells := []any{
				s.Client, s.Pool + "/" + s.Backend, time.Duration(s.Age).Round(time.Second), time.Duration(s.Idle).Round(time.Second),
				s.Up, s.Down, orDash(s.Host), orDash(s.Path),
			}
			if wide {
				cells = append(cells, s.Listener, s.Affinity, s.Engine, orDash(s.TLS), orDash(s.SNI), s.ID)
			}
			row(w, cells...)
		}
		if v.Total > len(v.Sessions) {
			row(w, fmt.Sprintf("%d of %d; --limit shows more", len(v.Sessions), v.Total))
		}
	})
}

func newKill() *cobra.Command {
	var a aim
	var rate float64
	var all bool
	cmd := &cobra.Command{
		Use: "kill", Short: "End open tunnels of a running process, the longest idle first", Args: cobra.NoArgs,
		Long: "End the open tunnels that the flags mean, the longest idle first. `fairlead sessions` with the same flags shows which these are.",
	}
	f := addFilters(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var done admin.Killed
		body := map[string]any{"filter": f.given(), "rate": rate, "all": all}
		if err := a.call(cmd.Context(), http.MethodPost, "/v1/sessions/kill", body, &done); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d sessions\n", done.Selected)
		return failed(err)
	}
	a.remote.addFlags(cmd.Flags())
	cmd.Flags().Float64Var(&rate, "rate", 0, "so many a second; 0: at once")
	cmd.Flags().BoolVar(&all, "all", false, "all of them, where no other flag says which")
	return cmd
}

func newWhere() *cobra.Command {
	var address string
	const two = 2
	cmd := &cobra.Command{
		Use:   "where POOL KEY | where POOL --address IP",
		Short: "Show where a client's next session would go, and why",
		Long: "Show where the next session of a client would go, and why. KEY is its identity as it sends it: the value of the cookie, header, query\n" +
			"parameter or path segment of affinity.keys.",
		Args: cobra.RangeArgs(1, two),
	}
	cmd.Flags().StringVar(&address, "address", "", "the client's `IP`, for affinity by source_ip")
	path := func(args []string) string {
		q := url.Values{"pool": {args[0]}}
		if len(args) == two {
			q.Set("key", args[1])
		}
		if address != "" {
			q.Set("address", address)
		}
		return "/v1/where?" + q.Encode()
	}
	cmd.PreRunE = func(_ *cobra.Command, args []string) error {
		if (len(args) == two) == (address != "") {
			return fmt.Errorf("give a key or --address, one of them")
		}
		return nil
	}
	r := &remote{}
	cmd.ValidArgsFunction = r.completePools
	return noun(r, cmd, path, func(w io.Writer, v admin.Where, _ bool) {
		row(w, "backend", orDash(v.Backend))
		row(w, "how", orDash(v.How))
		row(w, "open tunnels on", orDash(strings.Join(v.Pinned, ", ")))
		if v.Until != nil {
			row(w, "remembered on", fmt.Sprintf("%s, for %s more", v.Remembered, time.Until(*v.Until).Round(time.Second)))
		}
		for _, why := range v.Passed {
			row(w, "passed over", why)
		}
	})
}

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Show the configuration in force, with all defaults and with secrets masked", Args: cobra.NoArgs}
	return noun(&remote{}, cmd, fixed("/v1/config"), func(w io.Writer, v admin.Config, _ bool) {
		_, _ = io.WriteString(w, v.YAML) // a tabwriter keeps its first error for Flush
	})
}

func newCertificates() *cobra.Command {
	cmd := &cobra.Command{Use: "certificates", Short: "Show the certificates in use, and when they expire", Args: cobra.NoArgs}
	return noun(&remote{}, cmd, fixed("/v1/certificates"), func(w io.Writer, list []admin.Certificate, wide bool) {
		head := []any{"OF", "FILE", "EXPIRES", "NAMES"}
		if wide {
			head = append(head, "SUBJECT", "ISSUER", "NOT BEFORE")
		}
		row(w, head...)
		for _, c := range list {
			names := strings.Join(c.Names, " ")
			if c.Authority {
				names = "(authority)"
			}
			const day = 24 * time.Hour
			left := fmt.Sprintf("%s, %d days", c.NotAfter.UTC().Format(time.DateOnly), int(time.Until(c.NotAfter)/day))
			cells := []any{c.Of, c.File, left, orDash(names)}
			if wide {
				cells = append(cells, c.Subject, c.Issuer, c.NotBefore.UTC().Format(time.DateOnly))
			}
			row(w, cells...)
		}
	})
}

func newLogLevel() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use: "log-level [LEVEL]", Short: "Show or change the least level that a running process logs: debug, info, warn or error", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			method, body := http.MethodGet, any(nil)
			if len(args) == 1 {
				method, body = http.MethodPost, admin.LogLevel{Level: args[0]}
			}
			var v admin.LogLevel
			if err := r.call(cmd.Context(), method, "/v1/log-level", body, &v); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), v.Level)
			return failed(err)
		},
	}
	r.addFlags(cmd.Flags())
	return cmd
}
