package supervisor

import (
	"context"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/kubelet"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/nodeloss"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/provisioner"
)

// startServices starts what the supervisor plays itself. Each runs until ctx ends; one
// that ends before has failed, and its error ends the cluster.
func (c *cluster) startServices(ctx context.Context) {
	logs := kubelet.Server{Client: c.client}
	for _, serve := range []func() error{
		func() error { return logs.Serve(ctx, c.kubelet, c.plan.ServingKey(), c.plan.AuthorityFile()) },
		func() error { return kubelet.RecordEvents(ctx, c.client) },
		func() error { return nodeloss.Run(ctx, c.rest, c.client) },
		func() error { return provisioner.Run(ctx, c.client, c.config.Provisioners) },
	} {
		go func() {
			if err := serve(); err != nil && ctx.Err() == nil {
				c.broken <- err
			}
		}()
	}
}
