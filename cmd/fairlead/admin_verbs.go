package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// aim is what a verb is about: "pool/backend", or a listener by a flag.
type aim struct {
	remote
	listener string
}

func (a *aim) addFlags(cmd *cobra.Command, listeners bool) {
	a.remote.addFlags(cmd.Flags())
	cmd.ValidArgsFunction = a.completeBackends
	if listeners {
		const flag = "listener"
		cmd.Flags().StringVar(&a.listener, flag, "", "a `LISTENER` instead of a backend")
		_ = cmd.RegisterFlagCompletionFunc(flag, a.completeListeners) // fails only for a flag that does not exist
	}
}

// path is where the order goes, and what it is about for people.
func (a *aim) path(args []string, verb string) (path, what string, err error) {
	if a.listener != "" {
		if len(args) > 0 {
			return "", "", fmt.Errorf("give a backend or --listener, not both")
		}
		return "/v1/listeners/" + url.PathEscape(a.listener) + "/" + verb, "listener " + a.listener, nil
	}
	if len(args) == 0 {
		return "", "", fmt.Errorf("name a backend: POOL/BACKEND, as in chat/b0")
	}
	// Names may hold slashes; a pool's is what stands before the first.
	pool, backend, ok := strings.Cut(args[0], "/")
	if !ok || pool == "" || backend == "" {
		return "", "", fmt.Errorf("%q is not POOL/BACKEND, as in chat/b0", args[0])
	}
	return backendPath(pool, backend, verb), "backend " + args[0], nil
}

func backendPath(pool, backend, verb string) string {
	return "/v1/pools/" + url.PathEscape(pool) + "/backends/" + url.PathEscape(backend) + "/" + verb
}

// tell gives the order and says that it was taken.
func (a *aim) tell(cmd *cobra.Command, args []string, verb, done string, body any) error {
	path, what, err := a.path(args, verb)
	if err != nil {
		return err
	}
	if err := a.call(cmd.Context(), http.MethodPost, path, body, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", what, done)
	return failed(err)
}

func newDrain() *cobra.Command {
	var a aim
	var over, deadline time.Duration
	var loose bool
	cmd := &cobra.Command{
		Use:   "drain POOL/BACKEND | drain --listener LISTENER",
		Short: "Let a backend, or a listener, take nothing new; what is open ends by itself, or as the flags say",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{"pinned": !loose, "over": over.String(), "deadline": deadline.String()}
			return a.tell(cmd, args, "drain", "draining; `fairlead backends` shows how far it is, `fairlead enable` undoes it", body)
		},
	}
	a.addFlags(cmd, true)
	cmd.Flags().DurationVar(&over, "over", 0, "end the tunnels spread over this `TIME`, the longest idle first")
	cmd.Flags().DurationVar(&deadline, "deadline", 0, "end what is left after this `TIME`")
	cmd.Flags().BoolVar(&loose, "no-pinned", false, "take no more connections of clients that have a tunnel there either")
	return cmd
}

func newEnable() *cobra.Command {
	var a aim
	cmd := &cobra.Command{
		Use: "enable POOL/BACKEND | enable --listener LISTENER", Short: "Undo drain and disable", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.tell(cmd, args, "enable", "enabled", nil) },
	}
	a.addFlags(cmd, true)
	return cmd
}

func newDisable() *cobra.Command {
	var a aim
	cmd := &cobra.Command{
		Use: "disable POOL/BACKEND", Short: "Take a backend out for everybody; open tunnels go on", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.tell(cmd, args, "disable", "disabled", nil) },
	}
	a.addFlags(cmd, false)
	return cmd
}

func newWeight() *cobra.Command {
	var a aim
	const two = 2
	cmd := &cobra.Command{
		Use: "weight POOL/BACKEND WEIGHT", Short: "Change a backend's share of new clients; nobody who has a backend moves", Args: cobra.ExactArgs(two),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return fmt.Errorf("weight %q: want a whole number", args[1])
			}
			return a.tell(cmd, args[:1], "weight", "weight "+args[1], map[string]any{"weight": n})
		},
	}
	a.addFlags(cmd, false)
	return cmd
}
