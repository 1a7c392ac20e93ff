package inferenceservice_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// What a recorder records.
var (
	recordedPods   = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	recordedSlices = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
	recordedRoutes = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}
)

// recorder records all that becomes of pods, endpoints and routes of a namespace. What
// it has recorded is looked at in the order of the cluster's own revisions: different
// watches tell of one moment at different times.
type recorder struct {
	site   *site
	client dynamic.Interface
	stop   context.CancelFunc
	since  int

	mu     sync.Mutex
	events []recorded
}

type recorded struct {
	revision int
	kind     schema.GroupVersionResource
	object   *unstructured.Unstructured
	gone     bool
}

func (s *site) record() *recorder {
	s.t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(s.t.Context())
	r := &recorder{site: s, client: client, stop: stop}
	for _, kind := range []schema.GroupVersionResource{recordedPods, recordedSlices, recordedRoutes} {
		list, err := client.Resource(kind).Namespace(s.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			s.t.Fatal(err)
		}
		if at, err := strconv.Atoi(list.GetResourceVersion()); err == nil {
			r.since = max(r.since, at)
		}
		for i := range list.Items {
			r.note(kind, &list.Items[i], false)
		}
		w, err := client.Resource(kind).Namespace(s.Namespace).Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
		if err != nil {
			s.t.Fatal(err)
		}
		go func() {
			for e := range w.ResultChan() {
				if o, ok := e.Object.(*unstructured.Unstructured); ok {
					r.note(kind, o, e.Type == watch.Deleted)
				}
			}
		}()
	}
	return r
}

func (r *recorder) note(kind schema.GroupVersionResource, o *unstructured.Unstructured, gone bool) {
	revision, err := strconv.Atoi(o.GetResourceVersion())
	if err != nil {
		revision = 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, recorded{revision, kind, o, gone})
}

// lastWord ends a recording: a mark on an object of each kind is the last to be seen.
func (r *recorder) lastWord() []recorded {
	t, mark := r.site.t, strconv.Itoa(len(r.events))
	t.Helper()
	for _, kind := range []schema.GroupVersionResource{recordedPods, recordedSlices, recordedRoutes} {
		objects := r.client.Resource(kind).Namespace(r.site.Namespace)
		list, err := objects.List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) == 0 {
			t.Fatalf("no %s to mark the end at: %v", kind.Resource, err)
		}
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"test/end":%q}}}`, mark)
		if _, err := objects.Patch(t.Context(), list.Items[0].GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "test"}); err != nil {
			t.Fatal(err)
		}
		r.site.Until(t, "the end of the recording of "+kind.Resource, func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return slices.ContainsFunc(r.events, func(e recorded) bool {
				return e.kind == kind && e.object.GetAnnotations()["test/end"] == mark
			})
		})
		if _, err := objects.Patch(t.Context(), list.Items[0].GetName(), types.MergePatchType, []byte(`{"metadata":{"annotations":{"test/end":null}}}`), metav1.PatchOptions{FieldManager: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.events, func(a, b recorded) int { return a.revision - b.revision })
	return r.events
}

// moment is what there was at one revision.
type moment struct {
	revision             int
	pods, slices, routes map[string]*unstructured.Unstructured
}

// each shows all moments since everything was first listed; it returns how many.
func (r *recorder) each(look func(m moment)) int {
	m, shown := moment{pods: map[string]*unstructured.Unstructured{}, slices: map[string]*unstructured.Unstructured{}, routes: map[string]*unstructured.Unstructured{}}, 0
	for _, e := range r.lastWord() {
		of := map[schema.GroupVersionResource]map[string]*unstructured.Unstructured{recordedPods: m.pods, recordedSlices: m.slices, recordedRoutes: m.routes}[e.kind]
		if of[e.object.GetName()] = e.object; e.gone {
			delete(of, e.object.GetName())
		}
		if e.revision > r.since {
			shown++
			m.revision = e.revision
			look(m)
		}
	}
	return shown
}

// ready are the pods that are ready and not about to end, by the image of theirs.
func (m moment) ready() map[string]int {
	out := map[string]int{}
	for _, o := range m.pods {
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		ready := slices.ContainsFunc(conditions, func(e any) bool {
			c, _ := e.(map[string]any)
			return c["type"] == "Ready" && c["status"] == "True"
		})
		if ready && o.GetDeletionTimestamp() == nil {
			out[o.GetLabels()["app.kubernetes.io/name"]]++
		}
	}
	return out
}

// weights are the shares of the requests by Service; one that has all is 100.
func (m moment) weights() map[string]int64 {
	out := map[string]int64{}
	for _, o := range m.routes {
		rules, _, _ := unstructured.NestedSlice(o.Object, "spec", "rules")
		for _, e := range rules {
			rule, _ := e.(map[string]any)
			backends, _ := rule["backendRefs"].([]any)
			for _, b := range backends {
				ref, _ := b.(map[string]any)
				name, _ := ref["name"].(string)
				out[name], _ = ref["weight"].(int64)
				if len(backends) == 1 {
					out[name] = 100
				}
			}
		}
	}
	return out
}

// endpoints are the addresses of a Service that are ready.
func (m moment) endpoints(service string) int {
	n := 0
	for _, o := range m.slices {
		all, _, _ := unstructured.NestedSlice(o.Object, "endpoints")
		for _, e := range all {
			if ready, _, _ := unstructured.NestedBool(e.(map[string]any), "conditions", "ready"); ready && o.GetLabels()["kubernetes.io/service-name"] == service { //nolint:forcetypeassert // what the API server stores
				n++
			}
		}
	}
	return n
}
