// Package kube is the only place that talks to a Kubernetes API server. It
// knows nothing of Terraform.
package kube

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is a kind of object that mlk writes. Its resource name and scope are
// fixed here so that no discovery is needed before a typed kind is used.
type Kind struct {
	Group, Version, Kind, Resource string
	Namespaced                     bool
}

// The kinds that mlk writes, and those that what it writes refers to.
var (
	ClusterPolicy           = Kind{Group: "nvidia.com", Version: "v1", Kind: "ClusterPolicy", Resource: "clusterpolicies"}
	ClusterRole             = Kind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole", Resource: "clusterroles"}
	ClusterRoleBinding      = Kind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding", Resource: "clusterrolebindings"}
	RuntimeClass            = Kind{Group: "node.k8s.io", Version: "v1", Kind: "RuntimeClass", Resource: "runtimeclasses"}
	ServiceAccount          = Kind{Version: "v1", Kind: "ServiceAccount", Resource: "serviceaccounts", Namespaced: true}
	ConfigMap               = Kind{Version: "v1", Kind: "ConfigMap", Resource: "configmaps", Namespaced: true}
	CronJob                 = Kind{Group: "batch", Version: "v1", Kind: "CronJob", Resource: "cronjobs", Namespaced: true}
	DaemonSet               = Kind{Group: "apps", Version: "v1", Kind: "DaemonSet", Resource: "daemonsets", Namespaced: true}
	Deployment              = Kind{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments", Namespaced: true}
	DeviceClass             = Kind{Group: "resource.k8s.io", Version: "v1", Kind: "DeviceClass", Resource: "deviceclasses"}
	InferenceService        = Kind{Group: "serving.kserve.io", Version: "v1beta1", Kind: "InferenceService", Resource: "inferenceservices", Namespaced: true}
	Job                     = Kind{Group: "batch", Version: "v1", Kind: "Job", Resource: "jobs", Namespaced: true}
	JobSet                  = Kind{Group: "jobset.x-k8s.io", Version: "v1alpha2", Kind: "JobSet", Resource: "jobsets", Namespaced: true}
	NodePool                = Kind{Group: "karpenter.sh", Version: "v1", Kind: "NodePool", Resource: "nodepools"}
	LeaderWorkerSet         = Kind{Group: "leaderworkerset.x-k8s.io", Version: "v1", Kind: "LeaderWorkerSet", Resource: "leaderworkersets", Namespaced: true}
	Pod                     = Kind{Version: "v1", Kind: "Pod", Resource: "pods", Namespaced: true}
	ResourceClaimTemplate   = Kind{Group: "resource.k8s.io", Version: "v1", Kind: "ResourceClaimTemplate", Resource: "resourceclaimtemplates", Namespaced: true}
	ScaledObject            = Kind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject", Resource: "scaledobjects", Namespaced: true}
	Service                 = Kind{Version: "v1", Kind: "Service", Resource: "services", Namespaced: true}
	ServiceMonitor          = Kind{Group: "monitoring.coreos.com", Version: "v1", Kind: "ServiceMonitor", Resource: "servicemonitors", Namespaced: true}
	StatefulSet             = Kind{Group: "apps", Version: "v1", Kind: "StatefulSet", Resource: "statefulsets", Namespaced: true}
	StorageClass            = Kind{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass", Resource: "storageclasses"}
	TrainJob                = Kind{Group: "trainer.kubeflow.org", Version: "v1alpha1", Kind: "TrainJob", Resource: "trainjobs", Namespaced: true}
	ClusterTrainingRuntime  = Kind{Group: "trainer.kubeflow.org", Version: "v1alpha1", Kind: "ClusterTrainingRuntime", Resource: "clustertrainingruntimes"}
	TrainingRuntime         = Kind{Group: "trainer.kubeflow.org", Version: "v1alpha1", Kind: "TrainingRuntime", Resource: "trainingruntimes", Namespaced: true}
	VolcanoQueue            = Kind{Group: "scheduling.volcano.sh", Version: "v1beta1", Kind: "Queue", Resource: "queues"}
	PersistentVolumeClaim   = Kind{Version: "v1", Kind: "PersistentVolumeClaim", Resource: "persistentvolumeclaims", Namespaced: true}
	HorizontalPodAutoscaler = Kind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler", Resource: "horizontalpodautoscalers", Namespaced: true}
	HTTPRoute               = Kind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute", Resource: "httproutes", Namespaced: true}
	Ingress                 = Kind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress", Resource: "ingresses", Namespaced: true}
	PodDisruptionBudget     = Kind{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget", Resource: "poddisruptionbudgets", Namespaced: true}
)

// The PodGroups of two schedulers: Kubernetes' own, and Volcano's.
var (
	PodGroup        = Kind{Group: "scheduling.k8s.io", Version: "v1beta1", Kind: "PodGroup", Resource: "podgroups", Namespaced: true}
	VolcanoPodGroup = Kind{Group: "scheduling.volcano.sh", Version: "v1beta1", Kind: "PodGroup", Resource: "podgroups", Namespaced: true}
)

// frozen lists, by kind, the subtrees of an object that the server lets nobody
// change (Kubernetes, pkg/registry/batch/job/strategy.go, and the validation of
// updates in pkg/apis/{apps,core}/validation/validation.go). Of a pod some fields
// can change; mlk makes a new one for those too.
var frozen = map[Kind][][]string{
	Job: {
		{"spec", "template"},
		{"spec", "podFailurePolicy"},
		{"spec", "successPolicy"},
		{"spec", "selector"},
		{"spec", "completionMode"},
		{"spec", "backoffLimitPerIndex"},
		{"spec", "managedBy"},
	},
	JobSet: { // JobSet, pkg/webhooks/jobset_webhook.go and the rules of its CRD
		{"spec", "replicatedJobs"},
		{"spec", "network"},
		{"spec", "successPolicy"},
		{"spec", "failurePolicy"},
		{"spec", "managedBy"},
	},
	// Kubeflow Trainer, the rules of its CRD; a patch can change only while the run is
	// suspended, which is the business of queues.
	TrainJob: {
		{"spec", "runtimeRef"},
		{"spec", "initializer"},
		{"spec", "trainer"},
		{"spec", "runtimePatches"},
		{"spec", "activeDeadlineSeconds"},
		{"spec", "managedBy"},
	},
	// Kubernetes, api/scheduling/v1beta1; of its policy, gang.minCount can change.
	PodGroup: {
		{"spec", "workloadRef"},
		{"spec", "schedulingConstraints"},
		{"spec", "resourceClaims"},
		{"spec", "disruptionMode"},
		{"spec", "priorityClassName"},
		{"spec", "preemptionPolicy"},
	},
	DaemonSet:             {{"spec", "selector"}},
	Deployment:            {{"spec", "selector"}},
	Pod:                   {{"spec"}},
	ResourceClaimTemplate: {{"spec"}},
	StatefulSet: {
		{"spec", "selector"},
		{"spec", "serviceName"},
		{"spec", "podManagementPolicy"},
		{"spec", "volumeClaimTemplates"},
	},
}

// Frozen lists the subtrees of the kind's objects that nobody can change once
// they exist. An update sends them as they were last applied.
func (k Kind) Frozen() [][]string { return frozen[k] }

// replicated lists, by kind, where the number of pods is. Others set it too, and
// where nobody has the field any more the server takes it for 1.
var replicated = map[Kind][]string{
	Deployment:      {"spec", "replicas"},
	LeaderWorkerSet: {"spec", "replicas"},
	StatefulSet:     {"spec", "replicas"},
}

// GVR returns the resource the API server serves the kind under.
func (k Kind) GVR() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.Group, Version: k.Version, Resource: k.Resource}
}

// GVK returns the group, version and kind.
func (k Kind) GVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.Group, Version: k.Version, Kind: k.Kind}
}

// APIVersion returns "batch/v1", or "v1" for the core group.
func (k Kind) APIVersion() string { return k.GVK().GroupVersion().String() }

// Ref names one object, or all of a kind in a namespace.
type Ref struct {
	Kind            Kind
	Namespace, Name string
	// Role tells the second object of a kind that a resource owns from its first:
	// "canary". It says nothing to the server.
	Role string
}

// Key is the object's key in Live: its kind, and its role where it has one.
func (r Ref) Key() string { return r.Kind.Key(r.Role) }

// Key is the key of the kind's object that has the role; "" for its first.
func (k Kind) Key(role string) string {
	if role == "" {
		return k.Kind
	}
	return k.Kind + "/" + role
}

// String returns "Job ml/train", or "StorageClass fast" without a namespace. A
// reference without a name stands for all of its kind: "jobs of namespace ml".
func (r Ref) String() string {
	if r.Name == "" && r.Namespace != "" {
		return fmt.Sprintf("%s of namespace %s", r.Kind.Resource, r.Namespace)
	}
	if r.Name == "" {
		return r.Kind.Resource
	}
	if r.Namespace == "" {
		return fmt.Sprintf("%s %s", r.Kind.Kind, r.Name)
	}
	return fmt.Sprintf("%s %s/%s", r.Kind.Kind, r.Namespace, r.Name)
}

// Object is a live object as the server returned it, all fields kept, those
// of newer servers too.
type Object = unstructured.Unstructured

// Live is the set of a resource's objects that exist on the cluster, by the
// key of the kind ("Job", or "Deployment/canary" where a resource owns several
// of one kind).
type Live map[string]*Object

// Typed returns the live object under key decoded into its Go type, or nil when
// it does not exist. Fields that the type does not know are dropped.
func Typed[T any](live Live, key string) (*T, error) {
	o, ok := live[key]
	if !ok || o == nil {
		return nil, nil
	}
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, out); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return out, nil
}

// Controlled reports whether the object is managed by another object, so that
// mlk must not adopt it.
func Controlled(o *Object) *metav1.OwnerReference { return metav1.GetControllerOf(o) }
