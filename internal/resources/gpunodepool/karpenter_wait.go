package gpunodepool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// What Karpenter says of NodePools and NodeClaims.
const (
	condReady      = "Ready"
	condValidation = "ValidationSucceeded"
	condClass      = "NodeClassReady"

	reasonUnseen   = "NotSeenYet"
	reasonNotFound = "NodeClassNotFound"
	reasonGone     = "Gone"

	karpenterReady = "Karpenter makes nodes when pods ask for them"
)

var nodeClaim = kube.Kind{Group: kube.NodePool.Group, Version: kube.NodePool.Version, Kind: "NodeClaim", Resource: "nodeclaims"}

// condition is one condition of an object of Karpenter.
type condition struct {
	status, reason, message string
	// current is whether it is about the object as it is now.
	current bool
}

func conditionOf(o *kube.Object, typ string) (condition, bool) {
	conditions, _ := kube.At(o.Object, "status", "conditions")
	list, _ := conditions.([]any)
	for _, e := range list {
		c, ok := e.(map[string]any)
		if !ok || c["type"] != typ {
			continue
		}
		seen := numberOf(c["observedGeneration"])
		return condition{
			status: textOf(c["status"]), reason: textOf(c["reason"]), message: textOf(c["message"]),
			current: seen.IsNull() || seen.ValueInt64() >= o.GetGeneration(),
		}, true
	}
	return condition{}, false
}

// judgeNodePool is what Karpenter makes of a NodePool.
func judgeNodePool(live *kube.Object) wait.Verdict {
	if live.GetDeletionTimestamp() != nil {
		return wait.Of(wait.Progressing, "Terminating", "", "Karpenter drains its nodes and removes them")
	}
	if c, ok := conditionOf(live, condValidation); ok && c.current && c.status == "False" {
		return wait.Of(wait.Failed, "Failed", reasonOr(c.reason, condValidation), c.message)
	}
	if c, ok := conditionOf(live, condClass); ok && c.current && c.status != "True" {
		return wait.Of(wait.Progressing, phaseWaiting, reasonOr(c.reason, condClass), textOr(c.message, "its node class is not ready"))
	}
	c, ok := conditionOf(live, condReady)
	switch {
	case !ok || !c.current:
		return wait.Of(wait.Progressing, phaseWaiting, reasonUnseen, "Karpenter has not looked at it yet")
	case c.status == "True":
		return wait.Of(wait.Done, phaseReady, "", karpenterReady)
	}
	return wait.Of(wait.Progressing, phaseWaiting, reasonOr(c.reason, "NotReady"), textOr(c.message, "Karpenter does not say why"))
}

// reasonOr is a reason of a condition; Karpenter repeats the type where it has none.
func reasonOr(reason, other string) string { return textOr(reason, other) }

func textOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// missingFor is how long a node class may be missing: it may be made in the same
// apply, a moment later.
const missingFor = time.Minute

// await waits until Karpenter has the NodePool Ready. It waits for no node.
func (o *order) await(ctx context.Context) diag.Diagnostics {
	if judgeNodePool(o.live).Outcome == wait.Done {
		o.mem.Pending = false
		return nil
	}
	woken := make(chan struct{}, 1)
	watching := o.client.Watch(kube.NodePool, "", woken)
	defer watching.Stop()
	var missing time.Time
	uid := o.live.GetUID()
	verdict, err := wait.Until(ctx, o.p.clock, woken, func(ctx context.Context) wait.Verdict {
		if gone := o.glance(ctx, watching); gone || o.live.GetUID() != uid {
			return wait.Of(wait.Failed, "Failed", reasonGone, "somebody has deleted it")
		}
		v := judgeNodePool(o.live)
		if v.Reason != reasonNotFound {
			missing = time.Time{}
			return v
		}
		if missing.IsZero() {
			missing = o.p.clock.Now()
		}
		if o.p.clock.Since(missing) >= missingFor {
			v.Outcome = wait.Failed
		}
		return v
	})
	switch {
	case err == nil && verdict.Outcome == wait.Done:
		o.mem.Pending = false
		return nil
	case errors.Is(err, context.Canceled):
		return diag.Diagnostics{stopped(o.m.Name.ValueString(), "while mlk waited: "+verdict.Message)}
	}
	return diag.Diagnostics{o.unready(ctx, verdict, err)}
}

// glance notes what the watch shows, and reports whether the NodePool is gone. A watch
// that is broken or has not caught up is no reason to believe less than is known.
func (o *order) glance(ctx context.Context, watching *kube.Watching) (gone bool) {
	if now := watching.Get("", o.ref().Name); watching.Healthy() && now != nil {
		if now.GetUID() != o.live.GetUID() || !kube.Older(now.GetResourceVersion(), o.live.GetResourceVersion()) {
			o.live = now
		}
		return false
	}
	now, err := o.client.Get(ctx, o.ref())
	if err == nil && now != nil {
		o.live = now
	}
	return err == nil && now == nil
}

// unready explains a NodePool that Karpenter does not take.
func (o *order) unready(ctx context.Context, v wait.Verdict, late error) diag.Diagnostic {
	class := o.class()
	m := diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("%s is not ready: %s", o.title(), v.Message)),
		Happened: fmt.Sprintf("Karpenter says %s of %s: %s.", v.Reason, o.ref(), strings.TrimRight(v.Message, ".")),
		Stands:   "The NodePool exists and is recorded in the state; Karpenter makes no node for it.",
		At:       path.Root("karpenter").AtName("node_class"),
	}
	if late != nil {
		m.Happened += fmt.Sprintf(" That is so after %s.", o.limit)
	}
	switch {
	case v.Reason == reasonGone:
		m.At = path.Root("name")
		m.Happened, m.Stands = fmt.Sprintf("%s was deleted, or another put in its place, while mlk waited for it.", o.ref()), "Nothing was made in its place."
		m.Do = "Plan and apply again: the pool is then made anew."
		return m.Error()
	case v.Reason == reasonUnseen:
		m.At = path.Root("karpenter")
		m.Happened = fmt.Sprintf("Nobody has looked at %s within %s: its status says nothing of it as it is now.", o.ref(), o.limit)
		m.Do = "See whether Karpenter runs, and what its log says: kubectl get pods -A -l app.kubernetes.io/name=karpenter"
	case v.Reason == reasonNotFound:
		m.Do = fmt.Sprintf("Make %s, or name one that exists: kubectl get %s", class, strings.ToLower(o.classPart("kind")))
	case v.Outcome == wait.Failed:
		m.At = path.Root("karpenter")
		m.Do = "Change what Karpenter objects to and apply again."
	default:
		m.Do = fmt.Sprintf("See what is wrong with it: kubectl describe %s %s", strings.ToLower(o.classPart("kind")), o.classPart("name"))
		if said := o.classSays(ctx); said != "" {
			m.Why = class + " says: " + said
		}
	}
	if o.m.OnFailure.ValueString() == "keep" {
		m.Stands += " The next plan waits again."
		return m.Warning()
	}
	if o.creating {
		m.Stands += " " + lifecycle.Tainted(address)
	}
	return m.Error()
}

func (o *order) classPart(name string) string {
	class, _ := kube.At(o.live.Object, "spec", "template", "spec", "nodeClassRef")
	return textAt(class, name).ValueString()
}

func (o *order) class() string { return o.classPart("kind") + " " + o.classPart("name") }

// classSays is what the node class says of itself; "" when it says nothing, or may
// not be read.
func (o *order) classSays(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	k, ok, err := o.client.Discover(ctx, o.classPart("group"), o.classPart("kind"))
	if err != nil || !ok {
		return ""
	}
	live, err := o.client.Get(ctx, kube.Ref{Kind: k, Name: o.classPart("name")})
	if err != nil || live == nil {
		return ""
	}
	return strings.Join(complaints(live), "; ")
}

// complaints are the conditions of an object that are False, in words.
func complaints(o *kube.Object) []string {
	conditions, _ := kube.At(o.Object, "status", "conditions")
	list, _ := conditions.([]any)
	var out []string
	for _, e := range list {
		if c, ok := e.(map[string]any); ok && c["status"] == "False" && len(out) < mostCauses {
			out = append(out, strings.TrimRight(fmt.Sprintf("%v is False: %v", c["type"], textOr(textOf(c["message"]), textOf(c["reason"]))), ": "))
		}
	}
	return out
}

// awaitGone waits until a NodePool that is being deleted is gone, and with it its
// nodes. stands is what is so where that takes too long.
func (o *order) awaitGone(ctx context.Context, live *kube.Object, stands string) diag.Diagnostics {
	woken := make(chan struct{}, 1)
	watching := o.client.Watch(kube.NodePool, "", woken)
	defer watching.Stop()
	_, err := wait.Until(ctx, o.p.clock, woken, func(ctx context.Context) wait.Verdict {
		if now := watching.Get("", live.GetName()); watching.Healthy() && now != nil && now.GetUID() == live.GetUID() {
			return wait.Of(wait.Progressing, "", "", "")
		}
		now, err := o.client.Get(ctx, o.ref())
		if err == nil && (now == nil || now.GetUID() != live.GetUID()) {
			return wait.Of(wait.Done, "", "", "")
		}
		return wait.Of(wait.Progressing, "", "", "")
	})
	if err == nil {
		return nil
	}
	m := diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("%s still has nodes that Karpenter drains", o.title())),
		Happened: fmt.Sprintf("%s is marked for deletion, and goes when its nodes are gone. ", o.ref()),
		Why:      o.held(ctx),
		Stands:   stands,
		Do: "Pods with the annotation karpenter.sh/do-not-disrupt, and disruption budgets, hold a node until they end; termination_grace_period would set an end to it, " +
			"if it is applied before the destroy. What holds a node says: kubectl get events -A --field-selector reason=FailedDraining",
	}
	if errors.Is(err, context.Canceled) {
		m.Summary = lifecycle.Clip("Interrupted while Karpenter drains the nodes of " + o.title())
	}
	return diag.Diagnostics{m.Error()}
}

// held says of the machines that are left what Karpenter says of them.
func (o *order) held(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	claims, err := o.client.List(ctx, nodeClaim, "", madeBy+"="+o.m.Name.ValueString())
	if err != nil {
		return ""
	}
	slices.SortFunc(claims, func(a, b *kube.Object) int { return strings.Compare(a.GetName(), b.GetName()) })
	var out []string
	for i, c := range claims {
		if i == mostCauses {
			out = append(out, "and "+counted(len(claims)-i, "more node"))
			break
		}
		name, _ := kube.At(c.Object, "status", "nodeName")
		says := "Karpenter says nothing of it"
		for _, typ := range []string{"Drained", "VolumesDetached", "InstanceTerminating"} {
			if cond, ok := conditionOf(c, typ); ok && cond.status != "True" {
				says = strings.TrimRight(fmt.Sprintf("%s: %s", cond.reason, cond.message), ": ")
				break
			}
		}
		out = append(out, fmt.Sprintf("Node %s: %s", textOr(textOf(name), "(not there yet)"), says))
	}
	return strings.Join(out, "\n")
}
