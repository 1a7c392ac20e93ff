package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-log/tflog"
	corev1 "k8s.io/api/core/v1"
	apitypes "k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// await waits until the objects are as wait_for asks, or it is certain that they
// will not be, and explains why not.
func (w *writer[M, P]) await(ctx context.Context) diag.Diagnostics {
	level := w.r.level(P(w.model))
	first := Seen{Live: byKey(w.live), Now: w.r.clock.Now()}
	if len(w.r.def.Beside) > 0 {
		first = w.r.look(ctx, w.client, P(w.model), w.live)
	}
	if w.r.judge(w.model, first).Outcome == wait.Done {
		w.seen = first
		w.mem.Pending = false
		return nil
	}
	w.evicted = map[apitypes.UID]bool{}
	v := w.watch()
	defer v.stop()
	trusts := w.r.def.Trusts != nil && w.r.def.Trusts(level)
	var findings []diagnose.Finding
	said := ""
	verdict, err := wait.Until(ctx, w.r.clock, v.woken, func(ctx context.Context) wait.Verdict {
		w.seen = v.look(ctx)
		w.seen.Live = w.withOthers(w.seen.Live)
		got := w.r.judge(w.model, w.seen)
		if got.Message != said {
			said = got.Message
			tflog.Info(ctx, "waiting", map[string]any{"object": v.ref.String(), "for": level, "phase": got.Phase, "seen": said})
		}
		if got.Outcome == wait.Done {
			return got
		}
		if w.r.def.Renew != nil && got.Outcome == wait.Progressing {
			v.renew(ctx, w.seen, w.r.def.Renew(w.model, w.seen))
		}
		evidence := w.evidence()
		evidence.Pods = w.current(evidence.Pods)
		evidence.Nodes = v.nodes(ctx, w.seen)
		findings = diagnose.Certain(evidence, diagnose.Policy{TrustRetries: trusts})
		if len(findings) > 0 {
			got.Outcome = wait.Failed
		}
		if gone, ok := v.missing(); ok && got.Outcome == wait.Progressing {
			return wait.Of(wait.Failed, reasonDeleted, reasonDeleted, fmt.Sprintf("%s was deleted by somebody else", gone))
		}
		return got
	})
	switch {
	case err == nil && verdict.Outcome == wait.Done:
		w.seen = v.lastLook(ctx, w.seen)
		w.mem.Pending = false
		return nil
	case err != nil && isCancelled(ctx):
		return diag.Diagnostics{w.r.interrupted(P(w.model), "while mlk waited: "+phrase(verdict))}
	}
	return w.explain(ctx, verdict, level, slices.Collect(maps.Values(v.ever)), err != nil)
}

// reasonDeleted is why a wait ends for something that is not there any more.
const reasonDeleted = "Deleted"

// withOthers adds the objects beside the main one that nobody watches, as they were
// written.
func (w *writer[M, P]) withOthers(seen kube.Live) kube.Live {
	for ref, o := range w.live {
		if key := ref.Key(); ref != w.want[0].ref && seen[key] == nil {
			seen[key] = o
		}
	}
	return seen
}

// interrupted tells that the user stopped the apply. It is a warning: an error
// would taint a resource that goes on well.
func (r *Resource[M, P]) interrupted(m P, when string) diag.Diagnostic {
	return diags.Message{
		Summary:  clip(fmt.Sprintf("Stopped waiting for %s", r.title(m))),
		Happened: fmt.Sprintf("The apply was interrupted %s.", when),
		Stands:   "Nothing was undone: what was made goes on by itself and is recorded in the state.",
		Do:       "The next apply goes on waiting for it.",
	}.Warning()
}

// current are the pods whose failures end the wait: those of an earlier revision
// are what an update may be about to replace, and those that the wait has evicted
// have failed because another had.
func (w *writer[M, P]) current(pods []corev1.Pod) []corev1.Pod {
	return slices.DeleteFunc(slices.Clone(pods), func(p corev1.Pod) bool {
		return w.evicted[p.UID] && disrupted(&p) || w.r.def.Outdated != nil && w.r.def.Outdated(w.seen, &p)
	})
}

// disrupted reports whether a pod was ended from outside.
func disrupted(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
	})
}

// evidence is what the watches showed.
func (w *writer[M, P]) evidence() diagnose.Evidence {
	e := diagnose.Evidence{Pods: w.seen.Pods, Events: w.seen.Events, Now: w.seen.Now}
	for _, o := range w.seen.Live {
		e.Objects = append(e.Objects, o)
	}
	e.Objects = append(e.Objects, w.r.apart(w.seen)...)
	return e
}

// explain collects what the cluster knows and says why the wait failed.
func (w *writer[M, P]) explain(ctx context.Context, verdict wait.Verdict, level string, pods []corev1.Pod, late bool) diag.Diagnostics {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	m := P(w.model)
	evidence := w.evidence()
	main := w.r.main(m)
	ns, known := w.r.around(w.r.mainIn(w.seen.Live))
	if !known {
		ns, known = main.Namespace, main.Namespace != ""
	}
	if typed, err := w.client.Typed(); err == nil && known {
		target := diagnose.Target{
			Namespace: ns, Objects: evidence.Objects, Seen: pods, Selector: w.r.selector(m),
			Events: evidence.Events, NoLogs: w.r.provider.NoLogTails,
		}
		if main.Kind == kube.Pod {
			target.Seen = evidence.Pods
		}
		evidence = diagnose.Collect(ctx, diagnose.NewReader(typed), target)
		evidence.Pods = w.current(ownPods(evidence.Pods, w.owners()...))
		for i, p := range evidence.Pods {
			for _, before := range pods {
				if before.UID == p.UID {
					evidence.Pods[i] = recallCrashes(p, before)
				}
			}
		}
	}
	trusts := w.r.def.Trusts != nil && w.r.def.Trusts(level)
	findings := diagnose.Certain(evidence, diagnose.Policy{TrustRetries: trusts})
	if len(findings) == 0 && verdict.Reason != reasonDeleted { // of what is gone the rest says nothing
		findings = diagnose.Explain(evidence)
	}
	keep := false
	if p := m.Place(); p != nil {
		keep = p.OnFailure.ValueString() == onFailureKeep
	}
	f := telling[M, P]{w: w, verdict: verdict, late: late, keep: keep, notes: evidence.Notes}
	return f.diagnostics(findings)
}

// uidOf is the uid of one of the objects that were written.
func (w *writer[M, P]) uidOf(ref kube.Ref) string {
	if o := w.live[ref]; o != nil {
		return string(o.GetUID())
	}
	return w.mem.uid(ref)
}
