package inferenceservice

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// The phases of a service.
const (
	phaseProgressing = "Progressing"
	phaseReady       = "Ready"
	phaseStopped     = "Stopped"
	phaseFailed      = "Failed"
)

// revisionKey numbers the revisions of a Deployment, on it and on its ReplicaSets.
const revisionKey = "deployment.kubernetes.io/revision"

// url is where a Service is reached inside the cluster.
func url(s *corev1.Service) types.String {
	ports := slices.Clone(s.Spec.Ports)
	slices.SortFunc(ports, func(a, b corev1.ServicePort) int { return cmp.Compare(a.Port, b.Port) })
	if len(ports) == 0 {
		return types.StringNull()
	}
	at := ports[0]
	if i := slices.IndexFunc(ports, func(p corev1.ServicePort) bool { return p.Name == "http" }); i >= 0 {
		at = ports[i]
	}
	number := at.Port
	if s.Spec.ClusterIP == corev1.ClusterIPNone && at.TargetPort.IntVal != 0 {
		number = at.TargetPort.IntVal // its name leads to the pods themselves
	}
	const tls, web = 443, 80
	scheme, usual := "http", int32(web)
	if spoken := ptr.Deref(at.AppProtocol, ""); spoken == "https" || spoken == "" && at.Port == tls {
		scheme, usual = "https", tls
	}
	out := scheme + "://" + s.Name + "." + s.Namespace + ".svc"
	if number != usual {
		out += ":" + strconv.Itoa(int(number))
	}
	return types.StringValue(out)
}

// endpoints are those that are ready, by address.
func endpoints(all []*discoveryv1.EndpointSlice) []Endpoint {
	out := []Endpoint{}
	for _, s := range all {
		for _, e := range s.Endpoints {
			if !ptr.Deref(e.Conditions.Ready, true) || len(e.Addresses) == 0 {
				continue
			}
			made := Endpoint{
				Address: types.StringValue(e.Addresses[0]), Node: types.StringPointerValue(e.NodeName), Zone: types.StringPointerValue(e.Zone),
			}
			if e.TargetRef != nil && e.TargetRef.Kind == "Pod" {
				made.Pod = types.StringValue(e.TargetRef.Name)
			}
			out = append(out, made)
		}
	}
	slices.SortFunc(out, func(a, b Endpoint) int { return cmp.Compare(a.Address.ValueString(), b.Address.ValueString()) })
	return slices.CompactFunc(out, func(a, b Endpoint) bool { return a.Address.Equal(b.Address) })
}

// revisions are those with pods, and the current one, the newest first.
func revisions(d *appsv1.Deployment, sets []*appsv1.ReplicaSet, canary bool) []Revision {
	out := []Revision{}
	for _, s := range sets {
		n, err := strconv.ParseInt(s.Annotations[revisionKey], 10, 64)
		current := s.Annotations[revisionKey] == d.Annotations[revisionKey] && d.Status.ObservedGeneration >= d.Generation
		mine := slices.ContainsFunc(s.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == d.UID })
		if err != nil || !mine || !current && s.Status.Replicas == 0 {
			continue
		}
		image, model := runs(&s.Spec.Template)
		out = append(out, Revision{
			Revision: types.Int64Value(n), Current: types.BoolValue(current), Canary: types.BoolValue(canary), Image: image, Model: model,
			Replicas: types.Int32Value(s.Status.Replicas), ReadyReplicas: types.Int32Value(s.Status.ReadyReplicas),
		})
	}
	slices.SortFunc(out, func(a, b Revision) int { return cmp.Compare(b.Revision.ValueInt64(), a.Revision.ValueInt64()) })
	return out
}

// The names that mlk_inference_service gives to what holds and loads a model, and
// those of KServe: of its server, and of where the pods that it makes note the model.
const (
	modelVolume  = "model"
	loader       = "load-model"
	kserveServer = "kserve-container"
	kserveSource = "internal.serving.kserve.io/storage-initializer-sourceuri"
)

// runs are the image of a pod's server, the first container unless KServe says
// another, and its model.
func runs(t *corev1.PodTemplateSpec) (image, model types.String) {
	spec := t.Spec
	if i := slices.IndexFunc(spec.Containers, func(c corev1.Container) bool { return c.Name == kserveServer }); i > 0 {
		spec.Containers = spec.Containers[i:]
	}
	if source := t.Annotations[kserveSource]; source != "" {
		model = types.StringValue(source)
	} else {
		model = modelOf(&spec)
	}
	if len(spec.Containers) > 0 {
		image = types.StringValue(spec.Containers[0].Image)
	}
	return image, model
}

// modelFlags name the model to the servers that mlk knows.
var modelFlags = []string{"--model", "--model-path", "--model-id", "--model-repository", "--model-store"}

// modelOf is where a pod has its model from, as far as it says.
func modelOf(pod *corev1.PodSpec) types.String {
	for i := range pod.InitContainers {
		if c := &pod.InitContainers[i]; c.Name == loader && len(c.Args) > 0 {
			return types.StringValue(c.Args[0])
		}
	}
	if len(pod.Containers) == 0 {
		return types.StringNull()
	}
	main := &pod.Containers[0]
	for i := range pod.Volumes {
		v := &pod.Volumes[i]
		if v.Name != modelVolume {
			continue
		}
		switch {
		case v.Image != nil:
			return types.StringValue("oci://" + v.Image.Reference)
		case v.PersistentVolumeClaim != nil:
			source := "pvc://" + v.PersistentVolumeClaim.ClaimName
			for _, p := range main.VolumeMounts {
				if p.Name == v.Name && p.SubPath != "" {
					source += "/" + p.SubPath
				}
			}
			return types.StringValue(source)
		}
	}
	words := append(slices.Clone(main.Command), main.Args...)
	for i, w := range words {
		flag, value, joined := strings.Cut(w, "=")
		switch {
		case slices.Contains(modelFlags, flag) && joined:
			return types.StringValue(value)
		case slices.Contains(modelFlags, w) && i+1 < len(words):
			return types.StringValue(words[i+1])
		case w == "serve" && i > 0 && words[i-1] == "vllm" && i+1 < len(words) && !strings.HasPrefix(words[i+1], "-"):
			return types.StringValue(words[i+1])
		}
	}
	return types.StringNull()
}
