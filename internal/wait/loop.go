package wait

import (
	"context"
	"time"

	"k8s.io/utils/clock"
)

// tick is how often a wait looks without being woken: some judgements need time
// to pass ("older than a minute"), and a broken watch wakes nobody.
const tick = time.Second

// Until looks each time it is woken, and once a second, until the verdict is
// Done or Failed, or ctx ends. It returns the last verdict and why it stopped:
// nil, or the error of ctx.
func Until(ctx context.Context, c clock.WithTicker, woken <-chan struct{}, look func(context.Context) Verdict) (Verdict, error) {
	t := c.NewTicker(tick)
	defer t.Stop()
	for {
		v := look(ctx)
		if v.Outcome != Progressing {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return v, ctx.Err()
		case <-woken:
		case <-t.C():
		}
	}
}
