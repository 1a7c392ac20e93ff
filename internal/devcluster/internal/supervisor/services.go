package supervisor

import "context"

const localProvisioner = "mlk.dev/local"

func (c *cluster) startServices(ctx context.Context) error { return nil }
