package lifecycle

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-log/tflog"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// Bounds of looking at the nodes, which happens once for all plans of a provider
// process. Whoever has more than mostNodes gets no answer rather than a slow plan.
const (
	nodesWithin = 10 * time.Second
	mostNodes   = 10000
)

// Inventory is what plans know of the nodes. It is read once, by the first plan
// that asks, and serves all others of the process. The zero value is ready to use.
type Inventory struct {
	nodes, usages sync.Once
	list          []corev1.Node
	why           error
	scaling       scaling
	usage         *placement.Usage
}

// scaling is whether something makes nodes when pods wait for them.
type scaling int

const (
	// scalingUnknown: nobody may say.
	scalingUnknown scaling = iota
	// scalingNone: there is no sign of anything that would.
	scalingNone
	// scalingActive: something does, so that the nodes there are say little.
	scalingActive
)

// errTooMany says that a cluster is too large to be looked at in a plan.
var errTooMany = errors.New("there are too many nodes to look at in a plan")

// look returns the nodes, and whether an autoscaler makes more. An error is the
// same for all that ask, and logged once.
func (i *Inventory) look(ctx context.Context, client *kube.Client) ([]corev1.Node, scaling, error) {
	i.nodes.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nodesWithin)
		defer cancel()
		i.why = client.EachNode(ctx, "", func(n *corev1.Node) {
			if len(i.list) <= mostNodes {
				i.list = append(i.list, *n)
			}
		})
		if i.why == nil && len(i.list) > mostNodes {
			i.why = errTooMany
		}
		if i.why != nil {
			i.list = nil
			tflog.Info(ctx, "plans do not say whether pods fit: the nodes cannot be read", map[string]any{"error": i.why.Error()})
			return
		}
		i.scaling = scales(ctx, client, i.list)
	})
	return i.list, i.scaling, i.why
}

// taken returns what pods take of the nodes; nil when it cannot be read.
func (i *Inventory) taken(ctx context.Context, client *kube.Client) *placement.Usage {
	i.usages.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nodesWithin)
		defer cancel()
		usage := &placement.Usage{}
		err := client.EachPodOnNodes(ctx, func(p *corev1.Pod) {
			if !yields(p) {
				usage.Add(p)
			}
		})
		if err != nil {
			tflog.Info(ctx, "plans do not say what is free: the pods on the nodes cannot be read", map[string]any{"error": err.Error()})
			return
		}
		i.usage = usage
	})
	return i.usage
}

// yields reports whether a pod makes room by itself: it is ending, or keeps a
// place warm at a priority below everything else.
func yields(p *corev1.Pod) bool {
	return p.DeletionTimestamp != nil || p.Spec.Priority != nil && *p.Spec.Priority < 0
}

// What makes nodes on demand.
var (
	provisioningRequest = kube.Kind{Group: "autoscaling.x-k8s.io", Version: "v1", Kind: "ProvisioningRequest", Resource: "provisioningrequests", Namespaced: true}
	autoscalerStatus    = kube.Ref{
		Kind:      kube.Kind{Version: "v1", Kind: "ConfigMap", Resource: "configmaps", Namespaced: true},
		Namespace: "kube-system", Name: "cluster-autoscaler-status",
	}
)

// scales looks for Karpenter and the cluster autoscaler, which writes its status
// into a ConfigMap, on managed clusters too.
func scales(ctx context.Context, client *kube.Client, nodes []corev1.Node) scaling {
	if slices.ContainsFunc(nodes, func(n corev1.Node) bool { return n.Labels["karpenter.sh/nodepool"] != "" }) {
		return scalingActive
	}
	for _, k := range []kube.Kind{kube.NodePool, provisioningRequest} {
		switch has, err := client.Serves(ctx, k); {
		case err != nil:
			tflog.Info(ctx, "it is not known whether the cluster has an autoscaler", map[string]any{"error": err.Error()})
			return scalingUnknown
		case has:
			return scalingActive
		}
	}
	switch status, err := client.Get(ctx, autoscalerStatus); {
	case err != nil:
		tflog.Info(ctx, "it is not known whether the cluster has an autoscaler", map[string]any{"error": err.Error()})
		return scalingUnknown
	case status != nil:
		return scalingActive
	}
	return scalingNone
}
