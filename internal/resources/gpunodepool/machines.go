package gpunodepool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// What Cluster API calls things.
const (
	capiGroup        = "cluster.x-k8s.io"
	kindMachines     = "MachineDeployment"
	ofDeployment     = "cluster.x-k8s.io/deployment-name"
	autoscalerPrefix = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-"
	pausedAnnotation = "cluster.x-k8s.io/paused"
	reasonMachines   = "MachinesPending"
)

// machines is what a pool says of a MachineDeployment.
type machines struct {
	namespace, name string
	replicas        int64
}

// machines reads the attribute; nil without one, or while it is not known.
func (m *Model) machines() *machines {
	inner := m.ClusterAPI.Attributes()
	for _, v := range inner {
		if v.IsUnknown() {
			return nil
		}
	}
	n, ok := inner["replicas"].(types.Int64)
	if !ok {
		return nil
	}
	out := &machines{namespace: textOr(plainText(inner["namespace"]), "default"), name: plainText(inner["machine_deployment"]), replicas: n.ValueInt64()}
	return out
}

func (d *machines) ref(k kube.Kind) kube.Ref {
	return kube.Ref{Kind: k, Namespace: d.namespace, Name: d.name}
}

// same reports whether two mean the same MachineDeployment; nil means none.
func (d *machines) same(o *machines) bool {
	return d != nil && o != nil && d.namespace == o.namespace && d.name == o.name
}

// find looks for the MachineDeployment, in the version that is served. live is nil
// when it is not there.
func (d *machines) find(ctx context.Context, client *kube.Client) (kube.Kind, *kube.Object, error) {
	k, ok, err := client.Discover(ctx, capiGroup, kindMachines)
	if err != nil || !ok {
		return kube.Kind{}, nil, err
	}
	live, err := client.Get(ctx, d.ref(k))
	return k, live, err
}

// autoscaled reports whether the cluster autoscaler sets the number of machines.
func autoscaled(live *kube.Object) bool {
	for k := range live.GetAnnotations() {
		if strings.HasPrefix(k, autoscalerPrefix) {
			return true
		}
	}
	return false
}

func replicasOf(live *kube.Object) types.Int64 {
	n, _ := kube.At(live.Object, "spec", "replicas")
	return numberOf(n)
}

// seeMachines takes over how many machines somebody asks for now, and whether there
// is a MachineDeployment at all.
func (m *Model) seeMachines(live *kube.Object) {
	if live == nil {
		m.ClusterAPI = types.ObjectNull(machinesTypes)
		return
	}
	inner := m.ClusterAPI.Attributes()
	if n := replicasOf(live); !autoscaled(live) && !n.IsNull() {
		inner["replicas"] = n
		m.ClusterAPI = types.ObjectValueMust(machinesTypes, inner)
	}
}

// judgeMachines is how far the machines are.
func judgeMachines(live *kube.Object) wait.Verdict {
	at := func(names ...string) int64 {
		n, _ := kube.At(live.Object, names...)
		return numberOf(n).ValueInt64()
	}
	want, there, ready := at("spec", "replicas"), at("status", "replicas"), at("status", "readyReplicas")
	current := max(at("status", "upToDateReplicas"), at("status", "updatedReplicas")) // v1beta2, and before
	switch {
	case autoscaled(live):
		return wait.Of(wait.Done, phaseReady, "", fmt.Sprintf("the cluster autoscaler keeps %s, of which %d are ready", counted(int(there), "machine"), ready))
	case at("status", "observedGeneration") < live.GetGeneration():
		return wait.Of(wait.Progressing, phaseWaiting, reasonMachines, "Cluster API has not looked at the new number of machines yet")
	case there > want:
		return wait.Of(wait.Progressing, phaseWaiting, reasonMachines, fmt.Sprintf("there are %s, and %d are to stay", counted(int(there), "machine"), want))
	case there < want || ready < want || current < want:
		return wait.Of(wait.Progressing, phaseWaiting, reasonMachines, fmt.Sprintf("%d of %s ready", min(ready, current), isOrAre(want, "machine")))
	}
	return wait.Of(wait.Done, phaseReady, "", isOrAre(want, "machine")+" ready")
}

// missing says that there is no MachineDeployment, or no Cluster API.
func (d *machines) missing(served bool) diags.Message {
	at := path.Root("cluster_api")
	if !served {
		return diags.Message{
			Summary:  "This cluster has no Cluster API",
			Happened: "cluster_api scales a MachineDeployment of " + capiGroup + ", which this cluster does not serve.",
			Do: "MachineDeployments are where Cluster API runs, which often is a management cluster: use a provider for that one. " +
				"Where there is none, Cluster API is installed by clusterctl init (https://cluster-api.sigs.k8s.io).",
			At: at,
		}
	}
	return diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("%s %s/%s does not exist", kindMachines, d.namespace, d.name)),
		Happened: "cluster_api scales one that exists, and makes none.",
		Do:       "Make it first, or correct name and namespace: kubectl get machinedeployments -A",
		At:       at.AtName("machine_deployment"),
	}
}

// unread says why the MachineDeployment of a pool could not be looked at.
func (d *machines) unread(title string, err error) diag.Diagnostics {
	if err == nil {
		m := d.missing(false)
		m.Stands = "The state is unchanged."
		return diag.Diagnostics{m.Error()}
	}
	return lifecycle.Refusal(title, d.ref(kube.Kind{Group: capiGroup, Kind: kindMachines}), "read", err, "The state is unchanged.")
}

// together is how far machines and nodes are; live is nil when there is no
// MachineDeployment, apart is whether the pool knows no nodes.
func together(live *kube.Object, apart bool, nodes wait.Verdict) wait.Verdict {
	if live == nil {
		return wait.Of(wait.Progressing, phaseWaiting, reasonMachines, "its MachineDeployment is gone")
	}
	if v := judgeMachines(live); v.Outcome != wait.Done || apart {
		return v
	}
	return nodes
}

// foresee tells at plan what stands in the way of scaling.
func (d *machines) foresee(ctx context.Context, client *kube.Client, pool string, force bool) (ds diag.Diagnostics) {
	k, live, err := d.find(ctx, client)
	switch {
	case err != nil:
		return nil // said when something is read or written
	case live == nil && k.Kind == "":
		return diag.Diagnostics{d.missing(false).Error()}
	case live == nil:
		m := d.missing(true)
		m.Stands = "The apply needs it to be there by then."
		return diag.Diagnostics{m.Warning()}
	}
	at := path.Root("cluster_api").AtName("replicas")
	if autoscaled(live) {
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("The cluster autoscaler scales %s", d.ref(k))),
			Happened: fmt.Sprintf("It bears the annotations %smin-size or …max-size, so its number of machines is the autoscaler's: replicas = %d is not applied, and what the autoscaler does is no change.", autoscalerPrefix, d.replicas),
			Do:       "To set the number here, remove these annotations.",
			At:       at,
		}.Warning()}
	}
	if have := replicasOf(live); !force && have.ValueInt64() != d.replicas {
		for _, by := range strangers(live, pool) {
			ds.Append(d.conflict(k, by))
		}
	}
	if _, paused := live.GetAnnotations()[pausedAnnotation]; paused {
		ds.Append(diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("%s is paused", d.ref(k))),
			Happened: "It bears the annotation " + pausedAnnotation + ", so Cluster API makes and removes no machine, and the apply waits in vain.",
			At:       at,
		}.Warning())
	}
	return ds
}

// strangers are those who own the number of machines besides the pool. What kubectl
// has set goes over to the pool: naming the MachineDeployment is what adopts it.
func strangers(live *kube.Object, pool string) []string {
	return slices.DeleteFunc(kube.FieldOwners(live.GetManagedFields(), "spec", "replicas"), func(by string) bool {
		return by == nodepool.Manager(pool) || kube.IsPredecessor(by)
	})
}

func (d *machines) conflict(k kube.Kind, by string) diag.Diagnostic {
	return diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("The replicas of %s belong to %q", d.ref(k), by)),
		Happened: fmt.Sprintf("The configuration asks for %d, which differs from the number %s has set.", d.replicas, by),
		Stands:   "Nothing was changed.",
		Do:       fmt.Sprintf("Change the number where %s has it from, or set force_conflicts = true to take it. That of a Cluster with a topology is in the Cluster.", by),
		At:       path.Root("cluster_api").AtName("replicas"),
	}.Error()
}

// scale asks for so many machines, and notes what there is then. wrote is whether
// something was, or may have been, written.
func (c *change) scale(ctx context.Context, prior *machines) (wrote bool, ds diag.Diagnostics) {
	d, pool := c.m.machines(), c.m.Name.ValueString()
	if prior != nil && !prior.same(d) {
		if ds := c.p.release(ctx, c.client, prior, pool); ds.HasError() {
			return true, ds
		}
	}
	if d == nil {
		return false, nil
	}
	const stands = "No machine and no node was changed."
	k, live, err := d.find(ctx, c.client)
	switch {
	case err != nil:
		return false, lifecycle.Refusal(title(pool), d.ref(kube.Kind{Kind: kindMachines}), "read", err, stands)
	case live == nil:
		m := d.missing(k.Kind != "")
		m.Stands = stands
		return false, diag.Diagnostics{m.Error()}
	}
	c.kind, c.machines = k, live
	if autoscaled(live) {
		return false, nil
	}
	now, err := c.rescale(ctx, k, live, d)
	if err == nil {
		c.machines = now
		return true, nil
	}
	for _, conflict := range kube.Conflicts(err) {
		ds.Append(d.conflict(k, conflict.Manager))
	}
	if len(ds) == 0 {
		ds = lifecycle.Refusal(title(pool), d.ref(k), "scale", err, stands)
	}
	return lifecycle.Uncertain(err), ds
}

// rescale applies the number of machines. It takes it from kubectl, as it was seen:
// naming the MachineDeployment is what adopts it.
func (c *change) rescale(ctx context.Context, k kube.Kind, live *kube.Object, d *machines) (*kube.Object, error) {
	manager := nodepool.Manager(c.m.Name.ValueString())
	for try := 1; ; try++ {
		o := &kube.Object{Object: map[string]any{
			"apiVersion": k.APIVersion(), "kind": k.Kind,
			"metadata": map[string]any{"name": d.name, "namespace": d.namespace, "uid": string(live.GetUID())},
			"spec":     map[string]any{"replicas": d.replicas},
		}}
		force := c.m.ForceConflicts.ValueBool()
		if !force && len(strangers(live, c.m.Name.ValueString())) == 0 && slices.ContainsFunc(kube.FieldOwners(live.GetManagedFields(), "spec", "replicas"), kube.IsPredecessor) {
			o.SetResourceVersion(live.GetResourceVersion())
			force = true
		}
		now, _, err := c.client.Apply(ctx, k, o, kube.ApplyOptions{Manager: manager, Force: force})
		if err == nil || !apierrors.IsConflict(err) || len(kube.Conflicts(err)) > 0 || try == tries {
			return now, err
		}
		again, lost := c.client.Get(ctx, d.ref(k))
		if lost != nil || again == nil || again.GetUID() != live.GetUID() {
			return nil, errors.Join(err, lost)
		}
		live = again
	}
}

// tries is how often a write in between may spoil one.
const tries = 5

// release leaves the number of machines as it is, to whoever sets it next.
func (p *Pool) release(ctx context.Context, client *kube.Client, d *machines, pool string) diag.Diagnostics {
	for try := 1; ; try++ {
		k, live, err := d.find(ctx, client)
		if err == nil && live == nil {
			return nil
		}
		var patch []byte
		if err == nil {
			patch, err = kube.Disown(live, nodepool.Manager(pool))
		}
		if err == nil && patch != nil {
			_, err = client.PatchJSON(ctx, d.ref(k), patch)
		}
		if err == nil || kube.IsGone(err) {
			return nil
		}
		if try == tries || !apierrors.IsConflict(err) {
			return lifecycle.Refusal(title(pool), d.ref(k), "release", err, "The number of machines is as it was; the state still has the pool.")
		}
	}
}

// machinesLate says of the machines that are not ready why.
func (c *change) machinesLate(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	d := c.m.machines()
	out := complaints(c.machines)
	k, ok, err := c.client.Discover(ctx, capiGroup, "Machine")
	if err != nil || !ok || d == nil {
		return strings.Join(out, "\n")
	}
	all, err := c.client.List(ctx, k, d.namespace, ofDeployment+"="+d.name)
	if err != nil {
		return strings.Join(out, "\n")
	}
	slices.SortFunc(all, func(a, b *kube.Object) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, o := range all {
		phase, _ := kube.At(o.Object, "status", "phase")
		says := complaints(o)
		if textOf(phase) == "Running" && len(says) == 0 || len(out) >= mostCauses {
			continue
		}
		out = append(out, strings.TrimRight(fmt.Sprintf("Machine %s is %s: %s", o.GetName(), textOr(textOf(phase), "not looked at yet"), strings.Join(says, "; ")), ": "))
	}
	return strings.Join(out, "\n")
}
