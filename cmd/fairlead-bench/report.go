package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"fairlead/bench/compare"
)

var errForm = errors.New("is not a report of `fairlead-bench compare --json`, or of another version")

// outputs are where a report goes.
type outputs struct{ json, html, markdown string }

func (o *outputs) add(flags *pflag.FlagSet) {
	flags.StringVar(&o.json, "json", "", "`FILE` to write everything to as JSON; - is the standard output, instead of the text")
	flags.StringVar(&o.html, "html", "", "`FILE` to write a page with charts to, which needs nothing else")
	flags.StringVar(&o.markdown, "markdown", "", "`FILE` to write the tables to, for a document")
}

// write puts the report where it was asked for.
func (o outputs) write(stdout io.Writer, r compare.Report) error {
	writeJSON := func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", " ")
		return encoder.Encode(r)
	}
	// The run may have taken long: one that cannot be written keeps none of the others from it.
	var found []error
	note := func(what string, err error) {
		if err != nil {
			found = append(found, fmt.Errorf("write the report%s: %w", what, err))
		}
	}
	if o.json == "-" {
		note(" as JSON", writeJSON(stdout))
	} else {
		note("", r.Write(stdout))
		note(" as JSON", writeFile(o.json, writeJSON))
	}
	note(" as a page", writeFile(o.html, r.WritePage))
	note(" as Markdown", writeFile(o.markdown, r.WriteMarkdown))
	return errors.Join(found...)
}

// writeFile has something written to the file of a name, if there is one.
func writeFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

func newReport() *cobra.Command {
	var o outputs
	cmd := &cobra.Command{
		Use:   "report FILE",
		Short: "Show what compare has written as JSON: as text, as a page with charts (--html), or as tables for a document (--markdown)",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := readReport(args[0])
			if err != nil {
				return failed(err)
			}
			return failed(o.write(cmd.OutOrStdout(), r))
		},
	}
	o.add(cmd.Flags())
	return cmd
}

func readReport(name string) (compare.Report, error) {
	var r compare.Report
	text, err := os.ReadFile(name)
	if err != nil {
		return r, fmt.Errorf("read the report: %w", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read the report %s: %w", name, err)
	}
	if r.Form != compare.ReportForm || len(r.Trials) == 0 {
		return r, fmt.Errorf("%s %w", name, errForm)
	}
	r.Complete()
	return r, nil
}
