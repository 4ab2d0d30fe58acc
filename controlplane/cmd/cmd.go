// SPDX-License-Identifier: Apache-2.0

// Package cmd has the commands of the control plane: `mizar objects …`.
package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mizar-net/mizar/controlplane/compile"
	"github.com/mizar-net/mizar/controlplane/object"
	"github.com/mizar-net/mizar/controlplane/store"
)

// Commands returns the commands, to be put under the root.
func Commands() []*cobra.Command {
	objects := &cobra.Command{
		Use:   "objects",
		Short: "Check objects, and show what they make each host hold",
		Args:  arguments(cobra.NoArgs),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	objects.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &BadInput{fmt.Errorf("%s: %w", c.CommandPath(), err)}
	})
	objects.AddCommand(check(), compiled())
	return []*cobra.Command{objects}
}

// BadInput is the error of a command that was given something wrong. It ends
// the process with exit code 2.
type BadInput struct{ Err error }

// Error lists what is wrong, one line each.
func (e *BadInput) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *BadInput) Unwrap() error { return e.Err }

// ExitCode is what the process should end with.
func (e *BadInput) ExitCode() int { return 2 }

func check() *cobra.Command {
	return &cobra.Command{
		Use:   "check DIR|FILE...",
		Short: "Check objects: what is wrong, in which file, line and field",
		Long: "Check objects: what is wrong, in which file, line and field. Policies that are valid and\n" +
			"cannot be done as they are written are told too: they isolate, and grant nothing. So are\n" +
			"services: what of them cannot be done is left out.",
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, paths []string) error {
			set, err := load(c, paths...)
			if err != nil {
				return err
			}
			var errs []error
			for _, one := range (compile.View{}).Conditions(set) {
				errs = append(errs, errors.New(one.String()))
			}
			if len(errs) > 0 {
				return &BadInput{errors.Join(errs...)}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%d hosts, %d VPCs, %d subnets, %d endpoints, %d namespaces, %d network policies, %d services, %d endpoint slices: all valid\n",
				len(set.Hosts), len(set.VPCs), len(set.Subnets), len(set.Endpoints), len(set.Namespaces), len(set.Policies), len(set.Services), len(set.EndpointSlices))
			return err
		},
	}
}

// load reads objects; the usage is no help against what is wrong with them.
func load(c *cobra.Command, paths ...string) (object.Set, error) {
	c.SilenceUsage = true
	set, err := store.Load(paths...)
	if err != nil {
		return object.Set{}, &BadInput{err}
	}
	return set, nil
}

// arguments makes wrong arguments bad input.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &BadInput{fmt.Errorf("%s: %w", c.CommandPath(), err)}
		}
		return nil
	}
}
