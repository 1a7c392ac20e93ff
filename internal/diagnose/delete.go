package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/placement"
)

// Stay is what is known about an object whose deletion does not end.
type Stay struct {
	// Object is the object; its deletion has been asked for.
	Object *unstructured.Unstructured
	// Pods are the pods that belong to it or, for a claim, all of its namespace.
	Pods []corev1.Pod
	// Nodes are the nodes those pods are on; may be empty.
	Nodes []corev1.Node
	// Events are events about the object.
	Events []corev1.Event
	// Namespace is the object's namespace; nil when it could not be read.
	Namespace *corev1.Namespace
	Now       time.Time
}

// finalizers names who removes the finalizers that objects of mlk meet.
var finalizers = []struct{ prefix, owner string }{
	{"kubernetes.io/pvc-protection", "kube-controller-manager"},
	{"kubernetes.io/pv-protection", "kube-controller-manager"},
	{"batch.kubernetes.io/job-tracking", "kube-controller-manager"},
	{metav1.FinalizerDeleteDependents, "the garbage collector of kube-controller-manager"},
	{metav1.FinalizerOrphanDependents, "the garbage collector of kube-controller-manager"},
	{"external-attacher/", "the CSI driver's attacher"},
	{"external-provisioner.volume.kubernetes.io/", "the CSI driver's provisioner"},
	{"snapshot.storage.kubernetes.io/", "the snapshot controller"},
	{"kueue.x-k8s.io/", "Kueue"},
	{"jobset.sigs.k8s.io/", "the JobSet controller"},
	{"trainer.kubeflow.org/", "the Kubeflow Trainer"},
	{"ray.io/", "the KubeRay operator"},
	{"karpenter.sh/", "Karpenter"},
	{"service.kubernetes.io/load-balancer-cleanup", "the cloud controller manager"},
	{"foregroundDeletion", "the garbage collector of kube-controller-manager"},
}

// finalizerOwner says who has to remove a finalizer.
func finalizerOwner(name string) string {
	for _, f := range finalizers {
		if strings.HasPrefix(name, f.prefix) {
			return f.owner
		}
	}
	if domain, _, ok := strings.Cut(name, "/"); ok {
		return "the controller of " + domain
	}
	return "the controller that set it"
}

// Blockers names what keeps a deleted object from going away: pods that use
// it or belong to it, finalizers and who has to remove them, a namespace that
// cannot be emptied.
func Blockers(s Stay) []Finding {
	if s.Object == nil {
		return nil
	}
	if s.Now.IsZero() {
		s.Now = time.Now()
	}
	o := s.Object
	subject := o.GetKind() + " " + o.GetName()
	if o.GetNamespace() != "" {
		subject = o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
	}
	var out []Finding
	if o.GetDeletionTimestamp() == nil && o.GetKind() != "Namespace" {
		return nil
	}
	switch o.GetKind() {
	case "PersistentVolumeClaim":
		out = append(out, claimUsers(s, subject)...)
	case "Namespace":
		ns, ok := decode[corev1.Namespace](o)
		if ok {
			out = append(out, namespaceRemains(ns)...)
		}
	default:
		out = append(out, dependents(s, subject)...)
	}
	for _, name := range o.GetFinalizers() {
		if f, ok := finalizer(s, subject, name, len(out) > 0); ok {
			out = append(out, f)
		}
	}
	if s.Namespace != nil && s.Namespace.DeletionTimestamp != nil && o.GetKind() != "Namespace" {
		out = append(out, namespaceRemains(s.Namespace)...)
	}
	return out
}

// claimUsers names the pods that use a claim: it stays until they have ended.
func claimUsers(s Stay, subject string) []Finding {
	var users []*corev1.Pod
	for i := range s.Pods {
		p := &s.Pods[i]
		if p.Namespace != s.Object.GetNamespace() || p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
			continue
		}
		if volumeOfClaim(&p.Spec, s.Object.GetName()) != "" || ephemeralClaim(p, s.Object.GetName()) {
			users = append(users, p)
		}
	}
	if len(users) == 0 {
		return nil
	}
	var names, commands []string
	for _, p := range users {
		name := "Pod " + p.Namespace + "/" + p.Name
		if o := metav1.GetControllerOf(p); o != nil {
			name += " (of " + o.Kind + " " + o.Name + ")"
		}
		if p.DeletionTimestamp != nil {
			name += ", which is itself being deleted"
		}
		names = append(names, name)
		commands = append(commands, p.Name)
	}
	return []Finding{{
		Reason:   "ClaimInUse",
		Subject:  subject,
		Summary:  plural(len(users), "pod") + " still " + verb(len(users), "use") + " the claim",
		Happened: fmt.Sprintf("%s is in use by %s. A claim goes away only after the last pod that uses it has ended.", subject, list(names, 5)),
		Do:       fmt.Sprintf("End what they belong to, or delete them: kubectl delete pod -n %s %s", s.Object.GetNamespace(), strings.Join(commands[:min(len(commands), 5)], " ")),
		Count:    len(users),
	}}
}

func verb(n int, v string) string {
	if n == 1 {
		return v + "s"
	}
	return v
}

// ephemeralClaim reports whether the claim was made for a volume of the pod.
func ephemeralClaim(p *corev1.Pod, claim string) bool {
	return slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Ephemeral != nil && p.Name+"-"+v.Name == claim
	})
}

// dependents explains pods that have to go before their owner does.
func dependents(s Stay, subject string) []Finding {
	var out []Finding
	x := &examiner{e: Evidence{Nodes: s.Nodes, Now: s.Now}}
	var ending []string
	folded := map[string]int{}
	for i := range s.Pods {
		p := &s.Pods[i]
		if p.DeletionTimestamp == nil || s.Now.Sub(p.DeletionTimestamp.Time) < 0 {
			ending = append(ending, "Pod "+p.Namespace+"/"+p.Name)
			continue
		}
		f := stuckPod(p, s.Now, x.node(p.Spec.NodeName))
		key := f.Reason + f.Summary
		if at, ok := folded[key]; ok {
			out[at].Count++
			continue
		}
		folded[key] = len(out)
		out = append(out, f)
	}
	if len(ending) > 0 {
		have := "have"
		if len(ending) == 1 {
			have = "has"
		}
		happened := fmt.Sprintf("%s waits for %s to end.", subject, list(ending, 5))
		if s.Object.GetKind() == "Pod" {
			happened = subject + " has not ended yet."
		}
		out = append(out, Finding{
			Reason: "PodsEnding", Subject: subject, Count: len(ending),
			Summary:  fmt.Sprintf("%s of it %s not ended yet", plural(len(ending), "pod"), have),
			Happened: happened + fmt.Sprintf(" Pods are given up to %s to stop (terminationGracePeriodSeconds).", span(longestGrace(s.Pods))),
			Do:       "Wait longer (timeouts.delete), or lower termination_grace_period_seconds.",
			PodField: []string{"spec", "terminationGracePeriodSeconds"},
		})
	}
	return out
}

func longestGrace(pods []corev1.Pod) time.Duration {
	longest := time.Duration(0)
	for _, p := range pods {
		if g := p.Spec.TerminationGracePeriodSeconds; g != nil {
			longest = max(longest, time.Duration(*g)*time.Second)
		}
	}
	if longest == 0 {
		longest = corev1.DefaultTerminationGracePeriodSeconds * time.Second
	}
	return longest
}

// finalizer explains one finalizer. Those that only wait for pods already
// named are left out.
func finalizer(s Stay, subject, name string, explained bool) (Finding, bool) {
	owner := finalizerOwner(name)
	f := Finding{
		Reason: "Finalizer", Subject: subject,
		Summary:  "finalizer " + placement.Clip(name, 50) + " keeps it",
		Happened: fmt.Sprintf("%s was asked to go %s ago. Finalizer %s keeps it, which %s has to remove.", subject, span(s.Now.Sub(deletedAt(s.Object, s.Now))), name, owner),
		Do:       "See whether " + owner + " runs. Removing a finalizer by hand skips the clean-up it stands for.",
		Field:    []string{s.Object.GetKind(), "metadata", "finalizers"},
	}
	switch name {
	case "kubernetes.io/pvc-protection", metav1.FinalizerDeleteDependents:
		if explained {
			return f, false
		}
		if name == metav1.FinalizerDeleteDependents {
			f.Happened = fmt.Sprintf("%s was asked to go %s ago and waits until the objects it owns are gone; no pod of it was found.", subject, span(s.Now.Sub(deletedAt(s.Object, s.Now))))
			f.Do = "See whether kube-controller-manager runs, and which other objects name it as their owner."
		} else {
			f.Happened = fmt.Sprintf("%s was asked to go %s ago; no pod that uses it was found, so %s should release it any moment.", subject, span(s.Now.Sub(deletedAt(s.Object, s.Now))), owner)
			f.Do = "See whether kube-controller-manager runs, and whether pods of it are out of your sight."
		}
	}
	for _, ev := range s.Events {
		if ev.Type == corev1.EventTypeWarning && ev.InvolvedObject.Name == s.Object.GetName() && ev.InvolvedObject.Kind == s.Object.GetKind() {
			f.Why = quote(message(&ev))
		}
	}
	return f, true
}

func deletedAt(o *unstructured.Unstructured, now time.Time) time.Time {
	t := o.GetDeletionTimestamp()
	if t == nil {
		return now
	}
	asked := t.Time
	if g := o.GetDeletionGracePeriodSeconds(); g != nil {
		asked = asked.Add(-time.Duration(*g) * time.Second)
	}
	return asked
}

// namespaceRemains explains a namespace that is being deleted and stays.
func namespaceRemains(ns *corev1.Namespace) []Finding {
	var out []Finding
	for _, c := range ns.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		f := Finding{Reason: string(c.Type), Subject: "Namespace " + ns.Name, Why: quote(c.Message)}
		switch c.Type {
		case corev1.NamespaceContentRemaining:
			f.Summary = "namespace " + ns.Name + " still has objects in it"
			f.Happened = fmt.Sprintf("Namespace %s is being deleted and still has objects in it.", ns.Name)
			f.Do = "See what keeps each of them."
		case corev1.NamespaceFinalizersRemaining:
			f.Summary = "objects in namespace " + ns.Name + " are kept by finalizers"
			f.Happened = fmt.Sprintf("Namespace %s is being deleted; finalizers keep objects in it.", ns.Name)
			f.Do = "See whether the controllers that set them still run; they are often uninstalled before what they look after."
		case corev1.NamespaceDeletionDiscoveryFailure, corev1.NamespaceDeletionGVParsingFailure:
			f.Summary = "the cluster cannot list all kinds of objects of namespace " + ns.Name
			f.Happened = fmt.Sprintf("Namespace %s is being deleted, but an API that serves some of its objects does not answer.", ns.Name)
			f.Do = "See which is down: kubectl get apiservices"
		case corev1.NamespaceDeletionContentFailure:
			f.Summary = "objects in namespace " + ns.Name + " cannot be deleted"
			f.Happened = fmt.Sprintf("Namespace %s is being deleted, and deleting an object in it fails.", ns.Name)
			f.Do = "The words are the API server's; a webhook that does not answer is a common cause."
		default:
			continue
		}
		out = append(out, f)
	}
	return out
}
