package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// awaitGone waits until an object that is being deleted is gone.
func (r *Resource[M, P]) awaitGone(ctx context.Context, client *kube.Client, m P, ref kube.Ref, live *kube.Object, purpose string) diag.Diagnostics {
	woken := make(chan struct{}, 1)
	watching := client.Watch(ref.Kind, ref.Namespace, woken)
	defer watching.Stop()
	uid := live.GetUID()
	start := r.clock.Now()
	last := live
	_, err := wait.Until(ctx, r.clock, woken, func(ctx context.Context) wait.Verdict {
		if o := watching.Get(ref.Namespace, ref.Name); watching.Healthy() && o != nil && o.GetUID() == uid {
			last = o
			return wait.Of(wait.Progressing, "", "", "")
		}
		o, err := client.Get(ctx, ref)
		if err == nil && (o == nil || o.GetUID() != uid) {
			return wait.Of(wait.Done, "", "", "")
		}
		if o != nil {
			last = o
		}
		return wait.Of(wait.Progressing, "", "", "")
	})
	if err == nil {
		return nil
	}
	return r.blocked(ctx, client, m, ref, last, purpose, r.clock.Since(start))
}

// blocked names what keeps an object from being deleted.
func (r *Resource[M, P]) blocked(ctx context.Context, client *kube.Client, m P, ref kube.Ref, live *kube.Object, purpose string, waited time.Duration) diag.Diagnostics {
	cancelled := isCancelled(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	stay, notes := diagnose.Stay{Object: live, Now: r.clock.Now()}, []string(nil)
	if typed, err := client.Typed(); err == nil {
		stay, notes = diagnose.CollectStay(ctx, diagnose.NewReader(typed), live, r.selector(m))
	}
	msg := diags.Message{
		Summary: clip(fmt.Sprintf("%s is still being deleted after %s", ref, waited.Round(time.Second))),
		Stands:  "It is marked for deletion and goes when nothing holds it any more; the state still has it.",
		Do:      "Remove what holds it, then apply again.",
	}
	if cancelled {
		msg.Summary = clip(fmt.Sprintf("Interrupted while waiting for %s %s", ref, purpose))
	}
	for _, f := range diagnose.Blockers(stay) {
		msg.Happened = joined(msg.Happened, f.Happened)
		msg.Why = joined(msg.Why, f.Why)
		if f.Do != "" {
			msg.Do = joined(f.Do, "Then apply again.")
		}
	}
	for _, n := range notes {
		msg.Happened = joined(msg.Happened, n)
	}
	return diag.Diagnostics{msg.Error()}
}

// awaitNoPods waits until the pods of an earlier object of the same name are
// gone: a Job made anew over its old pods can stay without pods for ever
// (kubernetes/kubernetes#142142). Other kinds adopt them.
func (r *Resource[M, P]) awaitNoPods(ctx context.Context, client *kube.Client, m P, ref kube.Ref) diag.Diagnostics {
	selector := r.selector(m)
	if selector == "" || ref.Kind != kube.Job {
		return nil
	}
	left, err := client.ReadMatching(ctx, kube.Pod, ref.Namespace, selector)
	if err != nil || len(left) == 0 {
		return nil // without the right to list pods nothing can be said
	}
	woken := make(chan struct{}, 1)
	watching := client.Watch(kube.Pod, ref.Namespace, woken)
	defer watching.Stop()
	var last []*kube.Object
	_, err = wait.Until(ctx, r.clock, woken, func(ctx context.Context) wait.Verdict {
		if last, err = client.List(ctx, kube.Pod, ref.Namespace, selector); err == nil && len(last) == 0 {
			return wait.Of(wait.Done, "", "", "")
		}
		return wait.Of(wait.Progressing, "", "", "")
	})
	if err == nil {
		return nil
	}
	names := ""
	for i, p := range last {
		if i > 0 {
			names += ", "
		}
		names += p.GetName()
	}
	return diag.Diagnostics{diags.Message{
		Summary:  clip(fmt.Sprintf("Pods of an earlier %s are still there", ref)),
		Happened: "A new object of that name cannot be made over them: " + names + ".",
		Stands:   "Nothing was changed.",
		Do:       fmt.Sprintf("Delete them: kubectl delete pods -n %s -l %s", ref.Namespace, selector),
	}.Error()}
}
