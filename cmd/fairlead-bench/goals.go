package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fairlead/bench/compare"
)

func newGoals() *cobra.Command {
	return &cobra.Command{
		Use:   "goals [NAME]",
		Short: "List the goals that are shipped for compare --goals, or print one file of them to start from",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return compare.GoalNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				text, err := compare.GoalText(args[0])
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(text)
				return failed(err)
			}
			for _, name := range compare.GoalNames() {
				goals, err := compare.LoadGoals(name)
				if err != nil {
					return failed(err)
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", name, briefly(goals.About)); err != nil {
					return failed(err)
				}
			}
			return nil
		},
	}
}
