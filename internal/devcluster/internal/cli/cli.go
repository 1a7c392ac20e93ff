// Package cli is devcluster's command line.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/config"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/statedir"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/supervisor"
)

// errSilent ends a command with exit code 1 when everything has been said.
var errSilent = errors.New("")

// Run executes a command line and returns the exit code.
func Run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := root()
	command.SetArgs(args)
	if err := command.ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errSilent) {
			fmt.Fprintln(os.Stderr, "devcluster:", err)
		}
		return 1
	}
	return 0
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "devcluster",
		Short:         "A local Kubernetes with simulated GPU nodes",
		Long:          about,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.CompletionOptions.HiddenDefaultCmd = true
	// The components' packages register flags of their own for every command line.
	pflag.CommandLine.VisitAll(func(f *pflag.Flag) { f.Hidden = true })
	name := c.PersistentFlags().String("name", "default", "name of the cluster")
	c.AddCommand(up(name), down(name), status(name), kubeconfig(name), list(), supervise(name))
	return c
}

func up(name *string) *cobra.Command {
	var file string
	var engines []string
	c := &cobra.Command{
		Use:   "up",
		Short: "Start a cluster and wait until it is ready",
		Long: "Start a cluster and wait until all nodes are ready. A cluster of that name that runs\n" +
			"with the same configuration is left alone; one that has failed is cleared away first.\n\n" + configHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(file)
			if err != nil {
				return err
			}
			if cfg, err = cfg.WithEngines(engines); err != nil {
				return err
			}
			dir, err := statedir.Open(*name)
			if err != nil {
				return err
			}
			return supervisor.Up(cmd.Context(), dir, cfg, cmd.OutOrStdout())
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration file (YAML); without it two nodes of 8 A100, two of 8 H100, two without GPU")
	c.Flags().StringSliceVar(&engines, "engine", nil,
		"controller to run beside the control plane, besides those of the configuration: "+strings.Join(config.EngineNames, " or ")+"; may be repeated")
	return c
}

func down(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End a cluster and remove everything it left",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := statedir.Open(*name)
			if err != nil {
				return err
			}
			return supervisor.Down(dir, cmd.OutOrStdout())
		},
	}
}

func kubeconfig(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig",
		Short: "Print the path of a running cluster's kubeconfig",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := statedir.Open(*name)
			if err != nil {
				return err
			}
			if phase, _, err := supervisor.Look(dir); err != nil {
				return err
			} else if phase != statedir.Ready {
				return fmt.Errorf("cluster %q is %s; start it with: devcluster up --name %s", dir.Name, phase, dir.Name)
			}
			fmt.Fprintln(cmd.OutOrStdout(), dir.Kubeconfig())
			return nil
		},
	}
}

func status(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show a cluster's components, and why it failed if it did",
		Long:  "Show a cluster's components, and why it failed if it did. The exit code is 0 only for a cluster that is ready.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := statedir.Open(*name)
			if err != nil {
				return err
			}
			phase, s, err := supervisor.Look(dir)
			if err != nil {
				return err
			}
			show(cmd.OutOrStdout(), dir, phase, s)
			if phase != statedir.Ready {
				return errSilent
			}
			return nil
		},
	}
}

func show(w io.Writer, dir statedir.Dir, phase statedir.Phase, s *statedir.State) {
	fmt.Fprintf(w, "cluster %q is %s\n", dir.Name, phase)
	if s == nil {
		return
	}
	if s.Step != "" {
		fmt.Fprintf(w, "doing:      %s, for %s\n", s.Step, time.Since(s.Started).Round(time.Second))
	}
	if phase == statedir.Ready {
		fmt.Fprintf(w, "server:     %s\nkubeconfig: %s\nnodes:      %d\nready in:   %s\n", s.Server, dir.Kubeconfig(),
			s.Nodes, s.ReadyAt.Sub(s.Started).Round(100*time.Millisecond))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "COMPONENT\tPID\tRUNS\tLOG")
	for _, p := range s.Processes {
		runs := "no"
		if p.Identity.Alive() {
			runs = "yes"
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\n", p.Component, p.Identity.PID, runs, p.Log)
	}
	_ = t.Flush()
	if s.Failure != nil {
		fmt.Fprintln(w, s.Failure)
	}
}

func list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List all clusters",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dirs, err := statedir.List()
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "NAME\tPHASE\tNODES\tSERVER")
			for _, d := range dirs {
				phase, s, err := supervisor.Look(d)
				if err != nil {
					return err
				}
				if s == nil {
					s = &statedir.State{}
				}
				fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", d.Name, phase, s.Nodes, s.Server)
			}
			return t.Flush()
		},
	}
}

func supervise(name *string) *cobra.Command {
	return &cobra.Command{
		Use:    supervisor.Command,
		Short:  "Run a cluster's components in the foreground",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			dir, err := statedir.Open(*name)
			if err != nil {
				return err
			}
			return supervisor.Run(dir)
		},
	}
}
