package main

import (
	"context"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"fairlead/lb/admin"
)

// completionPatience bounds the question to the running process: whoever presses Tab does not wait for longer.
const completionPatience = time.Second

// completeBackends offers POOL/BACKEND of the running process for the first argument.
func (a *aim) completeBackends(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 || a.listener != "" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return offer(cmd, &a.remote, "/v1/backends", func(b admin.Backend) string { return b.Pool + "/" + b.Name })
}

// completeListeners offers the listeners.
func (a *aim) completeListeners(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return offer(cmd, &a.remote, "/v1/listeners", func(l admin.Listener) string { return l.Name })
}

// completePools offers the pools for the first argument.
func (r *remote) completePools(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return offer(cmd, r, "/v1/pools", func(p admin.Pool) string { return p.Name })
}

// offer asks the running process for names. Where there is none, nothing is offered, and files neither.
func offer[T any](cmd *cobra.Command, r *remote, path string, name func(T) string) ([]cobra.Completion, cobra.ShellCompDirective) {
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background() // cobra has none while it completes
	}
	ctx, cancel := context.WithTimeout(parent, completionPatience)
	defer cancel()
	var list []T
	if err := r.call(ctx, http.MethodGet, path, nil, &list); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, one := range list {
		names = append(names, name(one))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
