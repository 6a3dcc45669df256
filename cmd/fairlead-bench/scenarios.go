package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"fairlead/bench/scenario"
)

// firstWords is how much of what a scenario says of itself stands in the list, in bytes.
const firstWords = 96

func newScenarios() *cobra.Command {
	return &cobra.Command{
		Use:   "scenarios [NAME]",
		Short: "List the scenarios that are shipped, or print one as a file to start from",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return scenario.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return failed(listScenarios(cmd.OutOrStdout()))
			}
			text, err := scenario.Text(args[0])
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return failed(err)
		},
	}
}

func listScenarios(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, name := range scenario.Names() {
		s, err := scenario.Load(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\n", name, briefly(s.About))
	}
	return table.Flush()
}

// briefly is the beginning of what something says of itself.
func briefly(about string) string {
	about = strings.Join(strings.Fields(about), " ")
	if len(about) > firstWords {
		about = about[:strings.LastIndexByte(about[:firstWords], ' ')] + " ..."
	}
	return about
}
