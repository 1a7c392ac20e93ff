package lifecycle

import (
	"context"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// owner is an object that has pods.
type owner struct {
	ref kube.Ref
	uid string
}

// ownPods keeps the pods that one of the objects controls: earlier objects of the
// same names may have left some. A Deployment has its pods through ReplicaSets,
// whose names are its own and the hash that the pods bear, a TrainJob through a
// JobSet of its name, a LeaderWorkerSet through StatefulSets, an InferenceService
// through a Deployment.
func ownPods(pods []corev1.Pod, owners ...owner) []corev1.Pod {
	var out []corev1.Pod
	for i := range pods {
		if slices.ContainsFunc(owners, func(o owner) bool { return o.has(&pods[i]) }) {
			out = append(out, pods[i])
		}
	}
	return out
}

func (o owner) has(p *corev1.Pod) bool {
	for _, by := range p.OwnerReferences {
		if string(by.UID) == o.uid || by.Kind == kube.ReplicaSet.Kind && by.Name == o.ref.Name+"-"+p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] {
			return true
		}
	}
	return len(p.OwnerReferences) == 0 ||
		o.uid != "" && p.Labels[kube.JobSetUIDLabel] == o.uid || // of its Jobs
		o.ref.Kind == kube.TrainJob && p.Labels[kube.JobSetNameLabel] == o.ref.Name ||
		o.ref.Kind == kube.LeaderWorkerSet && p.Labels[kube.GroupsNameLabel] == o.ref.Name ||
		o.ref.Kind == kube.InferenceService && p.Labels[kube.ServedLabel] == o.ref.Name
}

// owners are the main object and those of its kind beside it.
func (w *writer[M, P]) owners() []owner {
	main := w.want[0].ref
	var out []owner
	for _, ref := range w.refs() {
		if ref.Kind == main.Kind {
			out = append(out, owner{ref, w.uidOf(ref)})
		}
	}
	for _, l := range w.r.def.Beside {
		if l.Controlled && w.r.def.Within != nil {
			out = append(out, makersIn(out, w.seen.Beside[l.Kind.Kind])...)
		}
	}
	return out
}

// ownersIn are the main object and those of its kind beside it, among live ones.
func ownersIn(main kube.Ref, live map[kube.Ref]*kube.Object) []owner {
	out := []owner{}
	for ref, o := range live {
		if o != nil && ref.Kind == main.Kind {
			out = append(out, owner{ref, string(o.GetUID())})
		}
	}
	return out
}

func (v *vantage[M, P]) owners() []owner {
	out := []owner{{v.ref, v.uid}}
	for _, o := range v.others {
		if o.ref.Kind == v.ref.Kind {
			out = append(out, owner{o.ref, o.uid})
		}
	}
	return append(out, v.made...)
}

// other is an object beside the main one that a wait watches.
type other struct {
	ref      kube.Ref
	uid      string
	watching *kube.Watching
	// last is the object as last seen, floor the resource version of the own write
	// that the watch has to catch up with.
	last  *kube.Object
	floor string
	gone  bool
}

// others are those of the objects that were written whose status counts.
func (w *writer[M, P]) others(woken chan struct{}) []*other {
	main := w.want[0].ref
	var out []*other
	for _, ref := range w.refs() {
		live := w.live[ref]
		if ref == main || live == nil || ref.Kind != main.Kind && !slices.Contains(w.r.def.Heeds, ref.Kind) {
			continue
		}
		out = append(out, &other{
			ref: ref, uid: string(live.GetUID()), last: live, floor: live.GetResourceVersion(),
			watching: w.client.Watch(ref.Kind, ref.Namespace, woken),
		})
	}
	return out
}

// look notes the object as it is now. A watch that is broken or forbidden, or has
// not caught up with our write, is replaced by a read.
func (o *other) look(ctx context.Context, client *kube.Client) {
	seen := o.watching.Get(o.ref.Namespace, o.ref.Name)
	mine := seen != nil && string(seen.GetUID()) == o.uid
	switch {
	case o.watching.Healthy() && mine && !kube.Older(seen.GetResourceVersion(), o.floor):
		o.last, o.gone = seen, false
		return
	case o.watching.Healthy() && (mine || !o.watching.Ready()):
		return // as it was written, until the watch has caught up
	}
	live, err := client.Get(ctx, o.ref)
	switch {
	case err != nil:
	case live == nil || string(live.GetUID()) != o.uid:
		o.gone = true
	default:
		o.last, o.gone = live, false
	}
}

// missing is an object that was there and that somebody has deleted meanwhile.
func (v *vantage[M, P]) missing() (kube.Ref, bool) {
	if v.gone {
		return v.ref, true
	}
	for _, o := range v.others {
		if o.gone {
			return o.ref, true
		}
	}
	return kube.Ref{}, false
}
