package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/laws"
)

// realPopulation is how many configurations are drawn for each resource where a
// real server says what it makes of them.
const realPopulation = 20

// TestAccLaws runs the laws on what a real API server makes of each
// configuration, admission and defaults included, and compares that with what
// the tests without a cluster take for its defaults.
func TestAccLaws(t *testing.T) {
	t.Parallel()
	for _, newResource := range objectful(t) {
		s := laws.Read(t, root, newResource)
		t.Run(s.Type, func(t *testing.T) {
			t.Parallel()
			acc := testkit.NewAcceptance(t)
			client, err := dynamic.NewForConfig(acc.Config)
			if err != nil {
				t.Fatal(err)
			}
			if s.Type == "mlk_gpu_stack" {
				testkit.InstallCRD(t, acc, "", filepath.Join(s.Dir(root), "testdata", "clusterpolicies.yaml"))
			}
			r := &realServer{t: t, namespace: acc.Namespace, client: client, refused: map[string]int{}}
			s.Run(t, r.complete, realPopulation)
			for _, reason := range slices.Sorted(maps.Keys(r.refused)) {
				t.Logf("refused %d times: %s", r.refused[reason], reason)
			}
		})
	}
}

// realServer completes objects by dry runs.
type realServer struct {
	t         *testing.T
	namespace string
	client    dynamic.Interface
	refused   map[string]int
}

// served are the kinds the server was asked about, with their resources.
var served = map[string]string{
	"CronJob": "cronjobs", "DaemonSet": "daemonsets", "Deployment": "deployments", "HorizontalPodAutoscaler": "horizontalpodautoscalers", "Ingress": "ingresses", "Job": "jobs",
	"PodDisruptionBudget": "poddisruptionbudgets", "PersistentVolumeClaim": "persistentvolumeclaims", "Pod": "pods",
	"ClusterPolicy": "clusterpolicies", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "RuntimeClass": "runtimeclasses", "ServiceAccount": "serviceaccounts",
	"DeviceClass": "deviceclasses", "ResourceClaimTemplate": "resourceclaimtemplates",
	"Service": "services", "StatefulSet": "statefulsets", "StorageClass": "storageclasses",
}

func (r *realServer) complete(o runtime.Object, create bool) error {
	if !create {
		// A dry run would refuse most changes; the server fills in the same.
		return laws.Defaults(o, create)
	}
	was, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return err
	}
	sent := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(was)}
	gvk := o.GetObjectKind().GroupVersionKind()
	resource, ok := served[gvk.Kind]
	if !ok {
		return laws.Defaults(o, create) // a namespace of the test
	}
	sent.SetGroupVersionKind(gvk)
	sent.SetManagedFields(nil)
	sent.SetUID("")
	sent.SetResourceVersion("")
	withoutZeroPorts(sent)
	api := r.client.Resource(schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: resource})
	var in dynamic.ResourceInterface = api
	if sent.GetNamespace() != "" {
		sent.SetNamespace(r.namespace)
		in = api.Namespace(r.namespace)
	} else {
		sent.SetName(r.namespace + "-" + sent.GetName()) // others may have one of that name
	}
	live, err := r.dryRun(in, sent)
	if err != nil {
		if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) && !apierrors.IsForbidden(err) {
			r.t.Errorf("%s: %v", sent.GetName(), err)
		}
		r.refused[reason(err)]++
		return err
	}
	for _, dropped := range kube.Drift(slim(sent.Object), slim(kube.Declared(live.Object, sent.Object))) {
		// A feature that this cluster does not have: it makes something else of it.
		err := fmt.Errorf("%s is dropped", strings.Join(dropped, "."))
		r.refused[err.Error()]++
		return err
	}
	r.compare(o, live)
	// The copies of an object that the test's server keeps go by its own names.
	out := live.Object
	md, ok := was["metadata"]
	if !ok {
		md = map[string]any{}
	}
	out["metadata"] = md
	if u, ok := o.(*unstructured.Unstructured); ok {
		u.Object = out
		return nil
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(out, o)
}

// dryRunTries is how often a server that is too busy to answer is asked again.
const dryRunTries = 5

// dryRun asks what the server makes of an object.
func (r *realServer) dryRun(in dynamic.ResourceInterface, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	for try := 1; ; try++ {
		live, err := in.Create(r.t.Context(), o, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		var status apierrors.APIStatus
		if err == nil || errors.As(err, &status) || try == dryRunTries {
			return live, err
		}
	}
}

// withoutZeroPorts leaves out target ports that nobody gave: a typed Service has
// them as 0.
func withoutZeroPorts(o *unstructured.Unstructured) {
	if o.GetKind() != "Service" {
		return
	}
	ports, _, _ := unstructured.NestedSlice(o.Object, "spec", "ports")
	for _, p := range ports {
		if port, ok := p.(map[string]any); ok && fmt.Sprint(port["targetPort"]) == "0" {
			delete(port, "targetPort")
		}
	}
	if len(ports) > 0 {
		_ = unstructured.SetNestedSlice(o.Object, ports, "spec", "ports")
	}
}

// withoutChosen leaves out what a server gives to each Service as it likes.
func withoutChosen(o map[string]any) {
	if ip, _, _ := unstructured.NestedString(o, "spec", "clusterIP"); ip != corev1.ClusterIPNone {
		unstructured.RemoveNestedField(o, "spec", "clusterIP")
		unstructured.RemoveNestedField(o, "spec", "clusterIPs")
	}
	ports, _, _ := unstructured.NestedFieldNoCopy(o, "spec", "ports")
	list, _ := ports.([]any)
	for _, p := range list {
		if port, ok := p.(map[string]any); ok {
			delete(port, "nodePort")
		}
	}
}

// reason is why the server refuses something, without names and values.
func reason(err error) string {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil && len(status.Status().Details.Causes) > 0 {
		c := status.Status().Details.Causes[0]
		return c.Field + ": " + c.Message
	}
	return err.Error()
}

// compare checks that fakeapi fills in what the server does.
func (r *realServer) compare(o runtime.Object, live *unstructured.Unstructured) {
	ours := o.DeepCopyObject()
	fakeapi.Defaults(ours)
	made, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ours)
	if err != nil {
		r.t.Fatal(err)
	}
	accessor, err := meta.Accessor(o)
	if err != nil {
		r.t.Fatal(err)
	}
	want, got := slim(kube.Declared(live.Object, made)), slim(made)
	if accessor.GetNamespace() != "" && live.GetKind() == "PersistentVolumeClaim" {
		// An admission plugin adds the default class of the cluster.
		if _, named, _ := unstructured.NestedString(got, "spec", "storageClassName"); !named {
			unstructured.RemoveNestedField(want, "spec", "storageClassName")
		}
	}
	if live.GetKind() == "Service" {
		withoutChosen(want)
		withoutChosen(got)
	}
	if diff := cmp.Diff(plainJSON(r.t, want), plainJSON(r.t, got)); diff != "" {
		r.t.Errorf("%s %s: the server fills in other values than fakeapi (-server +fakeapi):\n%s", live.GetKind(), accessor.GetName(), diff)
	}
}

// slim is an object without what is made for it alone.
func slim(o map[string]any) map[string]any {
	out := runtime.DeepCopyJSON(o)
	dropNulls(out)
	for _, field := range []string{"metadata", "status", "apiVersion", "kind"} {
		delete(out, field)
	}
	unstructured.RemoveNestedField(out, "spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid")
	unstructured.RemoveNestedField(out, "spec", "template", "metadata", "creationTimestamp")
	labels, _, _ := unstructured.NestedStringMap(out, "spec", "template", "metadata", "labels")
	for k := range labels {
		if strings.HasSuffix(k, "controller-uid") {
			unstructured.RemoveNestedField(out, "spec", "template", "metadata", "labels", k)
		}
	}
	return out
}

// dropNulls removes fields without a value: pointers that JSON shows as null.
func dropNulls(v any) {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if e == nil {
				delete(x, k)
			}
			dropNulls(e)
		}
	case []any:
		for _, e := range x {
			dropNulls(e)
		}
	}
}

func plainJSON(t *testing.T, o map[string]any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
