package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"fairlead/config"
	"fairlead/lb/admin"
)

func newReload() *cobra.Command {
	var r remote
	var dry bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Let a running process put its configuration file in force, or say what that would change",
		Long: "Let a running process read its configuration file again and put it in force. No open tunnel is closed for it. A file\n" +
			"with a mistake changes nothing, and the mistake is printed as `fairlead check` does.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.format != "table" && r.format != "json" { // before anything is done
				return fmt.Errorf("output %q: want table or json", r.format)
			}
			var a admin.Reload
			if err := r.call(cmd.Context(), http.MethodPost, "/v1/reload", map[string]any{"dry_run": dry}, &a); err != nil {
				return err
			}
			return failed(showReload(cmd.OutOrStdout(), a, r.format))
		},
	}
	r.addFlags(cmd.Flags())
	cmd.Flags().StringVarP(&r.format, "output", "o", "table", "`FORMAT`: table or json")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "change nothing; print what would change")
	return cmd
}

// showReload prints a line for each change, and how it is with all of them.
func showReload(w io.Writer, a admin.Reload, format string) error {
	if format == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(a)
	}
	for _, c := range a.Changes {
		line := config.Change{Path: c.Path, Kind: config.ParseChangeKind(c.Kind), Was: c.Was, Now: c.Now}.String()
		if c.Restart != "" {
			line += " (at the next start: " + c.Restart + ")"
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, outcomeOf(a))
	return err
}

func outcomeOf(a admin.Reload) string {
	n := count(len(a.Changes), "change")
	switch {
	case !a.Applied && len(a.Changes) == 0:
		return "dry run: the file says what is in force"
	case !a.Applied:
		return "dry run: " + n + ", not carried out"
	case len(a.Changes) == 0:
		return "reloaded: the file says what was in force; certificates and names were read again"
	}
	return "reloaded: " + n
}
