package supervisor

import (
	"context"
	"fmt"
	"time"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/engine"
)

// enginePatience is how long one engine may take: a second alone, many on a machine
// that compiles at the same time.
const enginePatience = 2 * time.Minute

// startEngines installs the kinds of engines and starts those that shall run. Nodes
// come after it, so that no pod escapes an engine's webhooks.
func (c *cluster) startEngines(ctx context.Context, self string) error {
	for _, name := range c.config.CRDs {
		if err := c.step("installing the CRDs of " + name); err != nil {
			return err
		}
		if err := c.patiently(ctx, func(ctx context.Context) error {
			return engine.InstallCRDs(ctx, c.dynamic, self, name)
		}); err != nil {
			return err
		}
	}
	for _, e := range c.engines {
		if err := c.step("starting " + e.Name); err != nil {
			return err
		}
		if err := c.patiently(ctx, func(ctx context.Context) error { return c.startEngine(ctx, e) }); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) startEngine(ctx context.Context, e engine.Engine) error {
	if err := e.InstallCRDs(ctx, c.dynamic); err != nil {
		return err
	}
	if err := e.Configure(ctx, c.dynamic); err != nil {
		return err
	}
	if err := c.start(e.Spec(c.plan.Kubeconfig(e.Name))); err != nil {
		return err
	}
	if err := e.AwaitReady(ctx); err != nil {
		return fmt.Errorf("%w; see %s", err, c.dir.Log(e.Name))
	}
	if err := e.InstallWebhooks(ctx, c.dynamic); err != nil {
		return err
	}
	return e.InstallObjects(ctx, c.dynamic)
}

func (c *cluster) patiently(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, enginePatience)
	defer cancel()
	return do(ctx)
}
