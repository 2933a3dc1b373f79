// Package cli is what the command lines of the programs have in common.
package cli

import (
	"github.com/spf13/cobra"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/cli/globalflag"
	"k8s.io/component-base/term"
	"k8s.io/component-base/version/verflag"
)

// AddFlags gives a command the flags that add adds, and those that every program has, as --version. Its usage and help show
// them in their sections.
func AddFlags(cmd *cobra.Command, add func(*cliflag.NamedFlagSets)) {
	sections := &cliflag.NamedFlagSets{}
	add(sections)
	verflag.AddFlags(sections.FlagSet("global"))
	globalflag.AddGlobalFlags(sections.FlagSet("global"), cmd.Name())
	for _, section := range sections.FlagSets {
		cmd.Flags().AddFlagSet(section)
	}
	columns, _, _ := term.TerminalSize(cmd.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(cmd, *sections, columns)
}
