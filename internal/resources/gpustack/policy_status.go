package gpustack

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// What the operator says in status.state.
const (
	stateReady    = "ready"
	stateNotReady = "notReady"
	stateIgnored  = "ignored"
)

// Reasons of the condition Ready that are no faults, and are worth a word.
const (
	reasonNoNodes  = "NoGPUNodes"
	reasonNoLabels = "NFDLabelsMissing"
)

// within is the namespace of the operator and of its DaemonSets.
func within(main *kube.Object) string {
	if main.GetKind() != kube.ClusterPolicy.Kind {
		return ""
	}
	ns, _, _ := unstructured.NestedString(main.Object, "status", "namespace")
	return ns
}

// ofDaemonSets selects all DaemonSets that bear no mark of ours: those of the
// operator have no label in common, and it controls them.
func ofDaemonSets(_ *Model, main *kube.Object) string {
	if main.GetKind() != kube.ClusterPolicy.Kind {
		return "" // they are the stack's own
	}
	return "!" + lifecycle.OwnerLabel
}

// ofPods selects the pods of all DaemonSets.
func ofPods(*Model) string { return "controller-revision-hash" }

// condition is why a condition of the policy is as it is; empty when it is not there.
func condition(o *kube.Object, kind string) (reason, message string) {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, e := range list {
		c, ok := e.(map[string]any)
		if !ok || c["type"] != kind {
			continue
		}
		reason, _ = c["reason"].(string)
		message, _ = c["message"].(string)
	}
	return reason, message
}

// readyPolicy says what the operator has made of the policy.
func readyPolicy(seen lifecycle.Seen) wait.Verdict {
	o := seen.Live[kube.ClusterPolicy.Kind]
	switch {
	case o == nil:
		return wait.Of(wait.Progressing, phasePending, "", "The ClusterPolicy does not exist yet")
	case o.GetDeletionTimestamp() != nil:
		return wait.Of(wait.Failed, phasePending, "Deleted", "The ClusterPolicy is being deleted")
	}
	state, _, _ := unstructured.NestedString(o.Object, "status", "state")
	switch state {
	case stateIgnored:
		return wait.Of(wait.Failed, phaseIgnored, "Ignored", "The GPU Operator ignores it: another ClusterPolicy is in charge of the cluster")
	case stateReady:
		return readyNodes(o, seen)
	case stateNotReady:
		return notReady(o, seen)
	case "":
		return wait.Of(wait.Progressing, phasePending, "", "No GPU Operator has taken notice of it: its status is empty. Is the operator running?")
	}
	return wait.Of(wait.Progressing, phasePending, "", fmt.Sprintf("The GPU Operator says %q", state))
}

// readyNodes looks closer at a policy of which the operator says that it is ready:
// that may have been said of the policy as it was before.
func readyNodes(o *kube.Object, seen lifecycle.Seen) wait.Verdict {
	if !noticed(o, seen.Now) {
		return wait.Of(wait.Progressing, phaseUpdating, "", "The GPU Operator may not have taken notice of the change yet")
	}
	if left := unfinished(seen); len(left) > 0 {
		return wait.Of(wait.Progressing, phaseUpdating, "", strings.Join(left, "; "))
	}
	switch reason, message := condition(o, "Ready"); reason {
	case reasonNoNodes:
		return wait.Of(wait.Done, phaseIdle, reason, "No node has a GPU; the stack comes with the first one that does")
	case reasonNoLabels:
		return wait.Of(wait.Done, phaseIdle, reason, "No node has labels of Node Feature Discovery, by which the GPU Operator finds GPUs: is it installed? ("+message+")")
	}
	return wait.Of(wait.Done, phaseReady, "", "")
}

// notReady says which program is missing where.
func notReady(o *kube.Object, seen lifecycle.Seen) wait.Verdict {
	reason, said := condition(o, "Error")
	parts := unfinished(seen)
	if said != "" {
		parts = append(parts, "The GPU Operator says: "+strings.TrimSuffix(said, "."))
	}
	if len(parts) == 0 {
		parts = []string{"The GPU Operator is not done yet, and does not say with what"}
	}
	return wait.Of(wait.Progressing, phasePending, reason, strings.Join(parts, "; "))
}

// surveyPolicy refuses a second ClusterPolicy: the operator obeys one.
func surveyPolicy(ctx context.Context, q *lifecycle.Query, prior, wanted *Model) diag.Diagnostics {
	all, _ := q.List(ctx, kube.ClusterPolicy, "", "")
	for _, o := range all {
		same := o.GetName() == wanted.Name.ValueString()
		switch {
		case prior != nil && prior.Mode.ValueString() == modeOperator && o.GetName() == prior.Name.ValueString():
			continue // it goes
		case same && o.GetLabels()[lifecycle.OwnerLabel] != "":
			continue // of an apply that was interrupted, or of another state: the apply tells
		}
		msg := diags.Message{
			Summary:  fmt.Sprintf("ClusterPolicy %s exists already", o.GetName()),
			Happened: "The GPU Operator obeys one ClusterPolicy in a cluster, and ignores any other. This one was made by " + maker(o) + ".",
			Stands:   "Nothing was changed.",
			Do:       fmt.Sprintf("Take it over, with the fields that the configuration declares and no others: terraform import mlk_gpu_stack.<name> %s", o.GetName()),
			At:       modePath,
		}
		if !same {
			msg.Do += fmt.Sprintf("\nThe configuration must call it by its name then: name = %q.", o.GetName())
		}
		return diag.Diagnostics{msg.Error()}
	}
	return nil
}

// maker is who has made an object, as far as it tells.
func maker(o *kube.Object) string {
	for _, f := range o.GetManagedFields() {
		if f.Subresource == "" && f.Manager != "" { // the operator itself writes the status alone
			return fmt.Sprintf("%q on %s", f.Manager, o.GetCreationTimestamp().UTC().Format(time.DateOnly))
		}
	}
	return "somebody else"
}
