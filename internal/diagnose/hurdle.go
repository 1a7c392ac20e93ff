package diagnose

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// view is the nodes as a pod sees them.
func (x *examiner) view(p *corev1.Pod) *placement.View {
	v := placement.See(p, x.e.Nodes, placement.UsageOf(x.e.NodePods))
	v.Bound = x.e.NodePods
	return v
}

// nodesRefuse explains a pod that nodes refuse one by one.
func (x *examiner) nodesRefuse(f *Finding, p *corev1.Pod, w schedulerWords) {
	said := placement.Finding{Subject: f.Subject, Reason: f.Reason, Happened: f.Subject + " cannot be scheduled."}
	kind := nodesSay(&said, x.view(p), w, len(x.e.Nodes) > 0)
	f.Reason, f.Summary, f.Happened, f.Do, f.PodField = said.Reason, said.Summary, said.Happened, said.Do, said.PodField
	if kind != "" {
		x.otherHurdle(f, p, kind)
	}
}

// nodesSay explains what capacity, taints and labels have to do with it. It
// returns what stands in the way when it is none of them.
func nodesSay(f *placement.Finding, v *placement.View, w schedulerWords, known bool) string {
	kind := w.highest()
	short := w.short()
	if known && (kind == "resource" || kind == "taint" || kind == "selector" || kind == "cordon") {
		if r, ok := v.Blamed(short); ok {
			if kind = v.ExplainResource(f, r); kind == "" {
				return ""
			}
		}
	}
	switch kind {
	case "taint":
		if !v.ExplainTaints(f) {
			w.taints(f)
		}
	case "selector":
		v.ExplainLabels(f)
	case "cordon":
		f.Reason, f.Summary = "NodesCordoned", "the nodes that could take a pod are closed to new pods"
		f.Happened += v.Closed()
		f.Do = "Open them again (kubectl uncordon), wait for those that are not ready, or add nodes."
	case "resource":
		withoutNodes(f, v, w)
	default:
		return orElse(kind, "unknown")
	}
	return ""
}

// taints takes the taint from the words of older schedulers, which name it.
func (w schedulerWords) taints(f *placement.Finding) {
	for _, r := range w.reasons {
		if _, t, ok := strings.Cut(r.reason, "untolerated taint {"); ok {
			f.Summary = "taint " + placement.Clip(strings.TrimSuffix(t, "}"), 40) + " keeps a pod off the nodes"
		}
	}
}

// withoutNodes explains a shortage when the nodes could not be read.
func withoutNodes(f *placement.Finding, v *placement.View, w schedulerWords) {
	short := w.short()
	if len(short) == 0 {
		return
	}
	r := short[0]
	for _, c := range short {
		if gpu.Is(c) {
			r = c
			break
		}
	}
	f.Reason = "Insufficient"
	f.PodField = placement.RequestField(&v.Pod.Spec, r)
	f.Summary = "no node has enough " + placement.Unit(r) + " for a pod"
	if q, ok := v.Asks[r]; ok && q.Sign() > 0 {
		f.Happened += fmt.Sprintf(" It asks for %s.", placement.InFull(r, q))
	}
	f.Do = "Ask for less, wait for other pods to end, or add nodes."
	if gpu.Is(r) {
		f.Do = "Lower gpu.count, wait for other pods to end, or add nodes (mlk_gpu_node_pool)."
		if slices.ContainsFunc(w.reasons, func(n refusedNodes) bool { return strings.Contains(n.reason, "taint") }) {
			f.Do += " If the nodes with GPUs are those with taints, tolerate these."
		}
	}
}

// otherHurdle explains refusals in which neither capacity nor taints nor
// labels play a part.
func (x *examiner) otherHurdle(f *Finding, p *corev1.Pod, kind string) {
	switch kind {
	case "dra":
		f.Reason, f.Summary = "DevicesShort", "no node can meet the resource claims of a pod"
		f.Happened = f.Subject + " cannot be scheduled: the devices its resource claims ask for are in use, or no node has such."
		f.Do = "Compare the claims' selectors with what the nodes offer (kubectl get resourceslices), wait for other pods to end, or add nodes."
		f.PodField = []string{"spec", "resourceClaims"}
		if g := x.extendedField(p); g != nil {
			f.PodField = g
		}
		switch {
		case strings.Contains(f.Why, "CEL "):
			selectorBroken(f)
		case strings.Contains(f.Why, "resourceclaim in use"):
			f.Reason, f.Summary = "ResourceClaimInUse", "a resource claim of a pod is in use by others"
			f.Happened = f.Subject + " cannot be scheduled: its resource claim serves other pods, and no more at a time."
			f.Do = "Wait for those pods to end, or give each pod a claim of its own (a ResourceClaimTemplate)."
		case strings.Contains(f.Why, "not available on the node"):
			f.Reason, f.Summary = "ResourceClaimElsewhere", "the devices of a resource claim are where the pod may not run"
			f.Happened = f.Subject + " cannot be scheduled: its resource claim was given devices already, and the nodes that reach these do not fit or are full."
			f.Do = "Free those nodes, let the pod run there (node selector, tolerations), or make the claim anew."
		}
	case "antiAffinity":
		f.Reason, f.Summary = "AntiAffinity", "pods that must not share a node leave no room for a pod"
		f.Do = "Add nodes, or make the anti-affinity rule a preference. A rule of a pod that already runs counts too."
		f.PodField = []string{"spec", "affinity", "podAntiAffinity"}
	case "podAffinity":
		f.Reason, f.Summary = "PodAffinity", "no node has the pods that a pod wants beside it"
		f.Do = "See that pods with those labels run in the same namespace, and that the nodes have the topology label of the rule."
		f.PodField = []string{"spec", "affinity", "podAffinity"}
	case "enforced":
		f.Reason, f.Summary = "SchedulerAffinity", "the scheduler's own settings leave no node for a pod"
		f.Happened = f.Subject + " cannot be scheduled: its scheduler is set up to use certain nodes only (addedAffinity), and none of them can take it."
		f.Do = "Ask those who run the scheduler which nodes it uses, or choose another with scheduler_name."
		f.PodField = []string{"spec", "schedulerName"}
	case "spread":
		f.Reason, f.Summary = "TopologySpread", "the topology spread of a pod leaves no node"
		f.Do = "Raise max_skew, allow ScheduleAnyway, or add nodes in the domains that have fewer pods. Nodes without the topology label never count."
		f.PodField = []string{"spec", "topologySpreadConstraints"}
		if !strings.Contains(strings.ReplaceAll(f.Why, "constraints (missing required label)", ""), "spread constraints") {
			f.Summary = "no node has the topology label that a pod spreads over"
			f.Happened = f.Subject + " cannot be scheduled: it is to be spread over the values of a label that no node has."
			f.Do = "Correct topology_key, or label the nodes. See what they have: kubectl get nodes --show-labels"
		}
	case "ports":
		f.Reason, f.Summary = "HostPortTaken", "the host ports of a pod are taken on every node"
		f.Do = "Two pods with host_network or the same host port cannot share a node: use other ports, or add nodes."
		f.PodField = []string{"spec", "hostNetwork"}
		for _, c := range p.Spec.Containers {
			for _, port := range c.Ports {
				if port.HostPort != 0 && !p.Spec.HostNetwork {
					f.PodField = []string{"spec", "containers", c.Name, "ports"}
				}
			}
		}
	case "features":
		f.Reason, f.Summary = "NodeFeatures", "no node supports a feature that a pod uses"
		f.Do = "Use nodes with a newer kubelet, or leave the feature out."
	case "nodeName":
		f.Reason, f.Summary = "NodeName", "the node that a pod asks for by name is not there"
		f.Do = "Correct the node's name."
		f.PodField = []string{"spec", "nodeName"}
	case "volume":
		x.volumeHurdle(f, p)
	default:
		f.Summary = "a pod cannot be scheduled"
		f.Do = kubectlDescribe(p)
	}
}

// selectorBroken tells of a device selector that cannot be evaluated.
func selectorBroken(f *Finding) {
	f.Reason, f.Summary = "DeviceSelector", "a device selector of a resource claim cannot be evaluated"
	f.Happened = f.Subject + " cannot be scheduled: the CEL expression that chooses its devices ends in an error."
	f.Do = "Correct the expression; an attribute that some devices lack has to be asked for first (has(…)). See what devices offer: kubectl get resourceslices -o yaml"
	f.PodField = []string{"spec", "resourceClaims"}
}

// extendedField is the field by which the pod asks for devices, if it does.
func (x *examiner) extendedField(p *corev1.Pod) []string {
	for i := range p.Spec.Containers {
		if f := acceleratorField(&p.Spec, p.Spec.Containers[i].Name); f != nil {
			return f
		}
	}
	return nil
}

func (x *examiner) volumeHurdle(f *Finding, p *corev1.Pod) {
	f.Reason = "VolumePlacement"
	var claim, volume string
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim != nil {
			claim, volume = v.PersistentVolumeClaim.ClaimName, v.Name
			break
		}
	}
	if volume != "" {
		f.PodField = []string{"spec", "volumes", volume}
	}
	subject := "a volume of a pod"
	if claim != "" {
		subject = "volume claim " + claim
	}
	switch {
	case strings.Contains(f.Why, "ReadWriteOncePod"):
		f.Summary = subject + " is in use by another pod"
		f.Happened += " A claim with access mode ReadWriteOncePod serves one pod at a time."
		f.Do = "Wait for the other pod to end, or use access mode ReadWriteOnce or ReadWriteMany."
	case strings.Contains(f.Why, "exceed max volume count"):
		f.Summary = "the nodes cannot attach more volumes"
		f.Do = "Add nodes, or let fewer pods with volumes run on each."
	case strings.Contains(f.Why, "non-existent pv"):
		f.Reason, f.Summary = "VolumeNotFound", "the volume of a claim no longer exists"
		f.Do = "Restore the volume, or make the claim anew."
	case strings.Contains(f.Why, "enough free storage"):
		f.Summary = "no node can reach enough free storage for " + subject
		f.Do = "Make the claim smaller, use another storage class, or add storage where the pod may run."
	case strings.Contains(f.Why, "persistent volumes to bind"):
		f.Summary = "no volume fits " + subject + " on any node the pod may use"
		f.Do = "A class without a provisioner needs a PersistentVolume made by hand that fits in size, access mode and node; see: kubectl get pv"
	case strings.Contains(f.Why, "no available disk"):
		f.Summary = "a disk of a pod is in use on every node"
		f.Do = "Wait for the pod that uses it, or give this one a volume of its own."
	default:
		f.Summary = subject + " lies where the pod may not run"
		f.Happened += " A volume that belongs to one zone or node binds its pods to it, and nodes there do not fit or are full."
		f.Do = "Free or add nodes in the volume's zone, or make the claim with a class that binds on first use (WaitForFirstConsumer), so that the volume follows the pod."
	}
}
