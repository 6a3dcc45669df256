package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fairlead/config"
)

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file, for editors",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := config.Schema()
			if err != nil {
				return failed(fmt.Errorf("make the schema: %w", err))
			}
			_, err = cmd.OutOrStdout().Write(text)
			return failed(err)
		},
	}
}
