package nodepool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Concurrent is how many nodes are written at a time: more only queue up in the
// API server, whose fairness gives one user that many seats.
const Concurrent = 20

// tries is how often a write in between may spoil a patch: a kubelet writes its
// node every few seconds, a controller in bursts.
const tries = 8

// reports is how often progress is told in the course of one write of all nodes.
const reports = 10

// Writer writes a pool to its nodes.
type Writer struct {
	Client *kube.Client
	Wanted Wanted
	Mark   Mark
	// Progress is told now and then how many nodes are done; nil for nobody.
	Progress func(done, all int)
}

// Outcome is what a write of many nodes left.
type Outcome struct {
	// Nodes are those that are now as they should be, in order of their names.
	Nodes []*corev1.Node
	// Gone are those that went, or were replaced, meanwhile.
	Gone []string
	// Failures are what went wrong, by node, in order of their names.
	Failures []Failure
	// Wrote reports whether anything was written, or may have been.
	Wrote bool
}

// Failure is why a node could not be written.
type Failure struct {
	Node string
	Err  error
}

// Enter makes nodes those of the pool, or brings them up to date.
func (w *Writer) Enter(ctx context.Context, nodes []*corev1.Node) Outcome {
	return w.each(ctx, nodes, w.enter)
}

// Leave takes the pool from nodes.
func (w *Writer) Leave(ctx context.Context, nodes []*corev1.Node) Outcome {
	return w.each(ctx, nodes, w.leave)
}

// errGone says that a node is not there any more, or another one of its name is.
var errGone = errors.New("the node is gone")

// one is the write of one node: the node then, and whether anything was, or may
// have been, written.
type one func(ctx context.Context, n *corev1.Node) (*corev1.Node, bool, error)

// each writes nodes, several at a time. When ctx ends it begins no more.
func (w *Writer) each(ctx context.Context, nodes []*corev1.Node, write one) Outcome {
	var out Outcome
	var mu sync.Mutex
	queue := make(chan *corev1.Node)
	var workers sync.WaitGroup
	done := 0
	step := max(len(nodes)/reports, 1)
	for range min(Concurrent, len(nodes)) {
		workers.Go(func() {
			for n := range queue {
				now, wrote, err := write(ctx, n)
				mu.Lock()
				out.Wrote = out.Wrote || wrote
				switch {
				case errors.Is(err, errGone):
					out.Gone = append(out.Gone, n.Name)
				case err != nil:
					out.Failures = append(out.Failures, Failure{n.Name, err})
				default:
					out.Nodes = append(out.Nodes, now)
				}
				if done++; w.Progress != nil && len(nodes) >= reports && done%step == 0 {
					w.Progress(done, len(nodes))
				}
				mu.Unlock()
			}
		})
	}
	for _, n := range nodes {
		if ctx.Err() != nil {
			break
		}
		queue <- n
	}
	close(queue)
	workers.Wait()
	if left := len(nodes) - done; left > 0 {
		out.Failures = append(out.Failures, Failure{nodes[done].Name, ctx.Err()})
	}
	slices.SortFunc(out.Nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(out.Failures, func(a, b Failure) int { return strings.Compare(a.Node, b.Node) })
	slices.Sort(out.Gone)
	return out
}

func (w *Writer) enter(ctx context.Context, n *corev1.Node) (*corev1.Node, bool, error) {
	n, wrote, err := w.patched(ctx, n, func(n *corev1.Node) (Change, error) { return w.Wanted.Enter(n, w.Mark) })
	if err != nil {
		return nil, wrote, err
	}
	c, err := w.Wanted.Enter(n, w.Mark)
	if err != nil || !c.Apply {
		return n, wrote, err
	}
	for try := 1; ; try++ {
		now, err := w.applied(ctx, n, c.Labels, c.Force)
		if !c.Force || !apierrors.IsConflict(err) || try == tries {
			return now, wrote || !refused(err), err
		}
		if n, err = w.again(ctx, n); err != nil {
			return nil, wrote, err
		}
		if conflicts := w.Wanted.Conflicts(n, w.Mark); len(conflicts) > 0 {
			return nil, wrote, &ConflictError{conflicts}
		}
	}
}

func (w *Writer) leave(ctx context.Context, n *corev1.Node) (*corev1.Node, bool, error) {
	wrote, theirs := false, w.Wanted.Overtaken(n)
	if w.Wanted.Leave(n).Apply {
		now, err := w.applied(ctx, n, nil, false)
		if wrote = !refused(err); err != nil {
			return nil, wrote, err
		}
		n = now
	}
	n, patched, err := w.patched(ctx, n, func(n *corev1.Node) (Change, error) { return w.Wanted.Leave(n, theirs...), nil })
	return n, wrote || patched, err
}

// patched sends the patch that a change asks for, made anew where somebody wrote
// in between. It returns the node then.
func (w *Writer) patched(ctx context.Context, n *corev1.Node, change func(*corev1.Node) (Change, error)) (*corev1.Node, bool, error) {
	ref := kube.Ref{Kind: kube.Node, Name: n.Name}
	for try := 1; ; try++ {
		c, err := change(n)
		if err != nil || c.Patch == nil {
			return n, false, err
		}
		o, err := w.Client.Merge(ctx, ref, c.Patch, Manager(w.Wanted.Pool))
		switch {
		case err == nil:
			now, err := kube.AsNode(o)
			return now, true, err
		case !apierrors.IsConflict(err) && !kube.IsGone(err):
			return nil, !refused(err), err
		}
		now, gone := w.again(ctx, n)
		if gone != nil {
			return nil, false, gone
		}
		if try == tries {
			return nil, false, err
		}
		if conflicts := w.Wanted.Conflicts(now, w.Mark); len(conflicts) > 0 {
			return nil, false, &ConflictError{conflicts}
		}
		n = now
	}
}

// applied applies labels to exactly this node. Without the uid, a node that was
// just deleted would be made anew, as a ghost. Labels are taken from others only
// where nothing has changed since the look.
func (w *Writer) applied(ctx context.Context, n *corev1.Node, labels map[string]string, take bool) (*corev1.Node, error) {
	o := &kube.Object{Object: map[string]any{
		"apiVersion": kube.Node.APIVersion(), "kind": kube.Node.Kind,
		"metadata": map[string]any{"name": n.Name, "uid": string(n.UID)},
	}}
	if take {
		o.SetResourceVersion(n.ResourceVersion)
	}
	if len(labels) > 0 {
		o.SetLabels(labels)
	}
	live, _, err := w.Client.Apply(ctx, kube.Node, o, kube.ApplyOptions{Manager: Manager(w.Wanted.Pool), Force: take || w.Wanted.Force, Strict: true})
	if err == nil {
		return kube.AsNode(live)
	}
	if apierrors.IsConflict(err) && len(kube.Conflicts(err)) == 0 {
		if _, gone := w.again(ctx, n); gone != nil {
			return nil, gone
		}
	}
	return nil, err
}

// Record marks a node's note as known to a state. A node whose note is another by
// now stays as it is.
func (w *Writer) Record(ctx context.Context, n *corev1.Node) error {
	_, _, err := w.patched(ctx, n, func(n *corev1.Node) (Change, error) {
		r, ok := RecordOf(n, w.Wanted.Pool)
		if !ok || r.Claim != w.Mark.Claim || r.Recorded {
			return Change{}, nil
		}
		r.Recorded = true
		return Change{Patch: map[string]any{"metadata": map[string]any{
			"resourceVersion": n.ResourceVersion, "annotations": map[string]any{Membership(w.Wanted.Pool): r.text()},
		}}}, nil
	})
	return err
}

// again reads a node; errGone when it is not the same any more.
func (w *Writer) again(ctx context.Context, n *corev1.Node) (*corev1.Node, error) {
	o, err := w.Client.Get(ctx, kube.Ref{Kind: kube.Node, Name: n.Name})
	switch {
	case err != nil:
		return nil, err
	case o == nil || o.GetUID() != n.UID:
		return nil, errGone
	}
	return kube.AsNode(o)
}

// ConflictError is what somebody set between the look at a node and the write.
type ConflictError struct{ Conflicts []Conflict }

// Error says it in short; diagnostics say it in full.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%d keys of Node %s belong to somebody else", len(e.Conflicts), e.Conflicts[0].Node)
}

// refused reports whether an error is the server's word that it wrote nothing.
func refused(err error) bool {
	var status apierrors.APIStatus
	const own = 500
	return err != nil && errors.As(err, &status) && status.Status().Code < own
}
