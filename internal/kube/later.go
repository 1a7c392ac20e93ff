package kube

import (
	"context"
	"sync"
	"time"
)

// laterTimeout bounds a mark that is written after its caller has returned.
const laterTimeout = 10 * time.Second

// unfinished counts the marks of all clients that are still being written.
var unfinished sync.WaitGroup

// Finish waits for all marks that are still being written. A process calls it
// before it ends.
func Finish() {
	finishOnce.Do(func() { close(finishing) })
	unfinished.Wait()
}

var (
	finishing  = make(chan struct{})
	finishOnce sync.Once
)

// laterDelay keeps work back until the caller's answer has surely reached
// Terraform: a process killed by what another resource does meanwhile must not
// have marked as saved what nobody has saved. The end of the process does not
// wait for it.
const laterDelay = 250 * time.Millisecond

// Later runs work after the caller has returned, so that a process that dies
// before it leaves the same as one that dies before the caller returns. Close
// waits for it. A failure is harmless by contract and ignored.
func (c *Client) Later(work func(context.Context) error) {
	unfinished.Add(1)
	c.pending.Go(func() {
		defer unfinished.Done()
		answered := time.NewTimer(laterDelay)
		defer answered.Stop()
		select {
		case <-answered.C:
		case <-finishing:
		case <-c.closing:
		}
		ctx, cancel := context.WithTimeout(c.closed, laterTimeout)
		defer cancel()
		_ = work(ctx)
	})
}

// Record writes the mark that a state knows the object, under a field manager
// of its own. Unlike an apply, a merge patch never makes the object anew where
// somebody has just deleted it.
func (c *Client) Record(ctx context.Context, ref Ref, annotation string) (*Object, error) {
	return c.Merge(ctx, ref, map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotation: "true"}}}, recorder)
}
