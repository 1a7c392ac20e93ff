// Command kind builds a node image ("image"), and keeps the cluster that the tests on
// real nodes use ("up", "down", "env").
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/engine"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/kindcluster"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/nodeimage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted: the next run goes on after the last step that was ended")
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	root, err := cli.Root()
	if err != nil {
		return err
	}
	home, err := nodeimage.Home()
	if err != nil {
		return err
	}
	e, err := engine.Find(ctx, home)
	if err != nil {
		return err
	}
	c := kindcluster.New(root, home, e, os.Stdout)
	switch strings.Join(args, " ") {
	case "image":
		_, err := nodeimage.Build(ctx, root, home, e, os.Stdout)
		return err
	case "up", "down":
		unlock, err := c.Lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
		if args[0] == "down" {
			return c.Down(ctx)
		}
		image, err := c.Image(ctx)
		if err != nil {
			return err
		}
		return c.Up(ctx, image)
	case "env":
		for _, variable := range c.Environ() {
			fmt.Println("export", variable)
		}
		return nil
	}
	return errors.New("usage: kind image|up|down|env")
}
