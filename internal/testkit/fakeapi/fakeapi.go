// Package fakeapi is a small API server for tests: one store, server-side apply
// with real field managers, uid preconditions, dry-run, watches, and a hook that
// can make any request fail before or after it took effect. It has no
// controllers, no admission and, unless asked, no defaults; what depends on those
// is tested on a real control plane.
package fakeapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured/unstructuredscheme"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// kinds maps the resources the server knows to their kinds.
var kinds = map[string]schema.GroupVersionKind{
	"jobs":                     {Group: "batch", Version: "v1", Kind: "Job"},
	"storageclasses":           {Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass"},
	"cronjobs":                 {Group: "batch", Version: "v1", Kind: "CronJob"},
	"statefulsets":             {Group: "apps", Version: "v1", Kind: "StatefulSet"},
	"daemonsets":               {Group: "apps", Version: "v1", Kind: "DaemonSet"},
	"controllerrevisions":      {Group: "apps", Version: "v1", Kind: "ControllerRevision"},
	"deviceclasses":            {Group: "resource.k8s.io", Version: "v1", Kind: "DeviceClass"},
	"resourceclaimtemplates":   {Group: "resource.k8s.io", Version: "v1", Kind: "ResourceClaimTemplate"},
	"deployments":              {Group: "apps", Version: "v1", Kind: "Deployment"},
	"replicasets":              {Group: "apps", Version: "v1", Kind: "ReplicaSet"},
	"endpointslices":           {Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"},
	"podgroups":                {Group: "scheduling.k8s.io", Version: "v1beta1", Kind: "PodGroup"},
	"services":                 {Version: "v1", Kind: "Service"},
	"persistentvolumeclaims":   {Version: "v1", Kind: "PersistentVolumeClaim"},
	"pods":                     {Version: "v1", Kind: "Pod"},
	"events":                   {Version: "v1", Kind: "Event"},
	"namespaces":               {Version: "v1", Kind: "Namespace"},
	"nodes":                    {Version: "v1", Kind: "Node"},
	"secrets":                  {Version: "v1", Kind: "Secret"},
	"leases":                   {Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
	"configmaps":               {Version: "v1", Kind: "ConfigMap"},
	"poddisruptionbudgets":     {Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	"ingresses":                {Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"},
	"serviceaccounts":          {Version: "v1", Kind: "ServiceAccount"},
	"clusterroles":             {Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"},
	"clusterrolebindings":      {Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRoleBinding"},
	"runtimeclasses":           {Group: "node.k8s.io", Version: "v1", Kind: "RuntimeClass"},
	"clusterpolicies":          {Group: "nvidia.com", Version: "v1", Kind: "ClusterPolicy"},
	"inferenceservices":        {Group: "serving.kserve.io", Version: "v1beta1", Kind: "InferenceService"},
	"leaderworkersets":         {Group: "leaderworkerset.x-k8s.io", Version: "v1", Kind: "LeaderWorkerSet"},
	"httproutes":               {Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"},
	"scaledobjects":            {Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledObject"},
	"horizontalpodautoscalers": {Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
}

// Request is one call, as Server.Before and Server.After see it.
type Request struct {
	// Method and Path are those of HTTP.
	Method, Path string
	// DryRun is whether nothing is to be changed.
	DryRun bool
	// Watch is whether this is a watch.
	Watch bool
	// Body is what was sent.
	Body []byte
}

// Writes reports whether the request changes something.
func (r Request) Writes() bool { return r.Method != http.MethodGet && !r.DryRun }

// Server is the API server. Set the hooks before the first request.
type Server struct {
	// Before may refuse a request before it takes effect: a non-nil error is
	// sent as Kubernetes would send it; Cut breaks the connection.
	Before func(Request) error
	// After may lose the answer of a request that took effect.
	After func(Request) error
	// Logs are the logs of containers, by namespace/pod/container.
	Logs map[string]string
	// Raw are answers to paths that name no objects: /version, /readyz, /apis.
	Raw map[string]string
	// Kinds are resources that this server has besides those that all have: what
	// somebody has installed.
	Kinds map[string]schema.GroupVersionKind
	// Complete may fill in what the stored objects leave out, as Defaults does;
	// create is whether the object is new.
	Complete func(o runtime.Object, create bool) error

	http *httptest.Server

	mu       sync.Mutex
	version  int
	objects  map[string]*unstructured.Unstructured
	watchers map[int]*watcher
	nextID   int
	requests []Request
}

// Cut is the error of a hook that breaks the connection instead of answering.
type Cut struct{}

// Error says what Cut does.
func (Cut) Error() string { return "the connection is cut" }

// Stop ends the server: nothing answers at its address any more. Unlike a broken
// connection, which client-go tries again for ten seconds, that is an error at once.
func (s *Server) Stop() {
	s.http.CloseClientConnections()
	s.http.Close()
}

type watcher struct {
	resource, namespace string
	events              chan []byte
}

// New starts a server with namespaces kube-system and default; it stops when
// the test ends.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{objects: map[string]*unstructured.Unstructured{}, watchers: map[int]*watcher{}, version: 100}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Stop)
	for _, ns := range []string{metav1.NamespaceSystem, metav1.NamespaceDefault} {
		s.Put(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": ns}}})
	}
	return s
}

// Config connects a client to the server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.http.URL, QPS: -1} }

// Disconnect breaks all connections, as a restart of the server does.
func (s *Server) Disconnect() { s.http.CloseClientConnections() }

// Requests returns what was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Put stores an object as if somebody had created or changed it, giving it the
// field manager "kubectl-create" when it is new and the manager of the argument
// list otherwise.
func (s *Server) Put(o *unstructured.Unstructured, manager ...string) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := "kubectl-create"
	if len(manager) > 0 {
		by = manager[0]
	}
	resource := s.resourceOf(o.GetKind())
	live := s.objects[key(resource, o.GetNamespace(), o.GetName())]
	now, err := s.update(live, o, by)
	if err != nil {
		panic(err)
	}
	if live == nil {
		// What a test writes down refers to each other by uid, and has an age.
		now.SetUID(o.GetUID())
		now.SetCreationTimestamp(o.GetCreationTimestamp())
	}
	return s.store(resource, live, now)
}

// Change edits a live object in place, as the given manager.
func (s *Server) Change(kind, namespace, name, manager string, edit func(o map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	resource := s.resourceOf(kind)
	live := s.objects[key(resource, namespace, name)]
	if live == nil {
		panic(fmt.Sprintf("no %s %s/%s to change", kind, namespace, name))
	}
	o := live.DeepCopy()
	edit(o.Object)
	now, err := s.update(live, o, manager)
	if err != nil {
		panic(err)
	}
	if now = s.store(resource, live, now); now.GetDeletionTimestamp() != nil && len(now.GetFinalizers()) == 0 {
		s.remove(resource, namespace, name)
	}
}

// Get returns a copy of an object; nil when it does not exist.
func (s *Server) Get(kind, namespace, name string) *unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.objects[key(s.resourceOf(kind), namespace, name)]; o != nil {
		return o.DeepCopy()
	}
	return nil
}

// List returns copies of all objects of a kind.
func (s *Server) List(kind string) []*unstructured.Unstructured {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*unstructured.Unstructured
	for k, o := range s.objects {
		if strings.HasPrefix(k, s.resourceOf(kind)+"|") {
			out = append(out, o.DeepCopy())
		}
	}
	return out
}

// Remove deletes an object as if somebody had.
func (s *Server) Remove(kind, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(s.resourceOf(kind), namespace, name)
}

func (s *Server) resourceOf(kind string) string {
	for r, k := range s.kinds() {
		if k.Kind == kind {
			return r
		}
	}
	panic("unknown kind " + kind)
}

func key(resource, namespace, name string) string { return resource + "|" + namespace + "|" + name }

func (s *Server) manager(resource string) (*managedfields.FieldManager, error) {
	gvk := s.kinds()[resource]
	if !scheme.Scheme.Recognizes(gvk) {
		return managedfields.NewDefaultCRDFieldManager(managedfields.NewDeducedTypeConverter(), asItIs{}, nothing{}, unstructuredscheme.NewUnstructuredCreator(), gvk, gvk.GroupVersion(), "", nil)
	}
	return managedfields.NewDefaultFieldManager(typeConverter(), scheme.Scheme, nothing{}, scheme.Scheme, gvk, gvk.GroupVersion(), "", nil)
}

var typeConverter = sync.OnceValue(func() managedfields.TypeConverter {
	return applyconfigurations.NewTypeConverter(scheme.Scheme)
})

type nothing struct{}

func (nothing) Default(runtime.Object) {}

// asItIs converts custom resources, which have one version here.
type asItIs struct{}

func (asItIs) Convert(_, _, _ any) error { return errors.New("custom resources are not converted") }
func (asItIs) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}

func (asItIs) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

// update computes the managed fields of a plain update.
func (s *Server) update(live, o *unstructured.Unstructured, by string) (*unstructured.Unstructured, error) {
	m, err := s.manager(s.resourceOf(o.GetKind()))
	if err != nil {
		return nil, err
	}
	old, err := typed(live, o.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	now, err := typed(o, o.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	if err := s.complete(now, live == nil); err != nil {
		return nil, err
	}
	out, err := m.Update(old, now, by)
	if err != nil {
		return nil, err
	}
	return plain(out, o.GroupVersionKind())
}

func (s *Server) complete(o runtime.Object, create bool) error {
	if s.Complete == nil {
		return nil
	}
	return s.Complete(o, create)
}

// typed converts to the Go type, which custom resources do not have; a nil object
// gives an empty one.
func typed(o *unstructured.Unstructured, gvk schema.GroupVersionKind) (runtime.Object, error) {
	if !scheme.Scheme.Recognizes(gvk) {
		out := &unstructured.Unstructured{Object: map[string]any{}}
		if o != nil {
			out = o.DeepCopy()
		}
		out.SetGroupVersionKind(gvk)
		return out, nil
	}
	out, err := scheme.Scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	if o != nil {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, out); err != nil {
			return nil, err
		}
	}
	out.GetObjectKind().SetGroupVersionKind(gvk)
	return out, nil
}

func plain(o runtime.Object, gvk schema.GroupVersionKind) (*unstructured.Unstructured, error) {
	m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: m}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	if status, ok := u.Object["status"].(map[string]any); ok && len(status) == 0 {
		delete(u.Object, "status")
	}
	return u, nil
}

// store gives an object what the server gives: uid, version, times.
func (s *Server) store(resource string, live, o *unstructured.Unstructured) *unstructured.Unstructured {
	s.version++
	kind := "MODIFIED"
	if live == nil {
		if o.GetUID() == "" {
			o.SetUID(uuid.NewUUID())
		}
		if created := o.GetCreationTimestamp(); created.IsZero() {
			o.SetCreationTimestamp(metav1.Now())
		}
		kind = "ADDED"
	} else {
		o.SetUID(live.GetUID())
		o.SetCreationTimestamp(live.GetCreationTimestamp())
	}
	o.SetResourceVersion(strconv.Itoa(s.version))
	s.objects[key(resource, o.GetNamespace(), o.GetName())] = o
	s.notify(resource, kind, o)
	return o.DeepCopy()
}

func (s *Server) remove(resource, namespace, name string) {
	k := key(resource, namespace, name)
	o := s.objects[k]
	if o == nil {
		return
	}
	if len(o.GetFinalizers()) > 0 {
		if o.GetDeletionTimestamp() == nil {
			o = o.DeepCopy()
			now := metav1.NewTime(time.Now())
			o.SetDeletionTimestamp(&now)
			s.version++
			o.SetResourceVersion(strconv.Itoa(s.version))
			s.objects[k] = o
			s.notify(resource, "MODIFIED", o)
		}
		return
	}
	delete(s.objects, k)
	s.version++
	o = o.DeepCopy()
	o.SetResourceVersion(strconv.Itoa(s.version))
	s.notify(resource, "DELETED", o)
}

func (s *Server) notify(resource, kind string, o *unstructured.Unstructured) {
	body, err := json.Marshal(map[string]any{"type": kind, "object": o.Object})
	if err != nil {
		panic(err)
	}
	for _, w := range s.watchers {
		if w.resource == resource && (w.namespace == "" || w.namespace == o.GetNamespace()) {
			w.events <- append(body, '\n')
		}
	}
}

// target is what a URL names.
type target struct {
	resource, namespace, name string
}

func (s *Server) parse(p string) (target, bool) {
	parts := strings.Split(strings.Trim(p, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) >= 4 && parts[0] == "apis":
		parts = parts[3:]
	default:
		return target{}, false
	}
	group := strings.Split(strings.Trim(p, "/"), "/")[1]
	var t target
	if parts[0] == "namespaces" && len(parts) > 2 {
		t.namespace, parts = parts[1], parts[2:]
	}
	t.resource = parts[0]
	if len(parts) > 1 {
		t.name = parts[1]
	}
	k, known := s.kinds()[t.resource]
	return t, known && (k.Group == "" || k.Group == group)
}

// discovery answers which versions a group has, and which kinds a group version has;
// false when it has none.
func (s *Server) discovery(p string) (any, bool) {
	gv, ok := strings.CutPrefix(p, "/apis/")
	out := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: gv}
	group := metav1.APIGroup{TypeMeta: metav1.TypeMeta{Kind: "APIGroup", APIVersion: "v1"}, Name: gv}
	for resource, k := range s.kinds() {
		if ok && k.GroupVersion().String() == gv {
			out.APIResources = append(out.APIResources, metav1.APIResource{Name: resource, Kind: k.Kind, Namespaced: k.Group == "cluster.x-k8s.io"})
		}
		if ok && k.Group == gv {
			group.PreferredVersion = metav1.GroupVersionForDiscovery{GroupVersion: k.GroupVersion().String(), Version: k.Version}
			group.Versions = []metav1.GroupVersionForDiscovery{group.PreferredVersion}
		}
	}
	if len(group.Versions) > 0 {
		return group, true
	}
	return out, len(out.APIResources) > 0
}

// kinds are all kinds of this server by their resource.
func (s *Server) kinds() map[string]schema.GroupVersionKind {
	if len(s.Kinds) == 0 {
		return kinds
	}
	all := maps.Clone(kinds)
	maps.Copy(all, s.Kinds)
	return all
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, err)
		return
	}
	req := Request{Method: r.Method, Path: r.URL.Path, DryRun: q.Get("dryRun") != "", Watch: q.Get("watch") != "", Body: body}
	s.mu.Lock()
	s.requests = append(s.requests, req)
	s.mu.Unlock()
	if s.Before != nil {
		if err := s.Before(req); err != nil {
			refuse(w, err)
			return
		}
	}
	if pod, ok := strings.CutSuffix(r.URL.Path, "/log"); ok && strings.Contains(pod, "/pods/") {
		s.log(w, pod, q.Get("container"))
		return
	}
	if text, ok := s.Raw[r.URL.Path]; ok {
		if strings.Contains(text, "[-]") { // as /readyz does when a check fails
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, text)
		return
	}
	if list, ok := s.discovery(r.URL.Path); ok {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list)
		return
	}
	t, ok := s.parse(r.URL.Path)
	if !ok {
		refuse(w, &apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: 404, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource"}})
		return
	}
	if req.Watch {
		s.watch(w, r, t)
		return
	}
	code, out, err := s.handle(r, t, body, req)
	if s.After != nil {
		if lost := s.After(req); lost != nil {
			refuse(w, lost)
			return
		}
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(out)
}

// log answers with a container's log, as a kubelet would.
func (s *Server) log(w http.ResponseWriter, pod, container string) {
	parts := strings.Split(strings.Trim(pod, "/"), "/")
	namespace, name := parts[len(parts)-3], parts[len(parts)-1]
	text, ok := s.Logs[namespace+"/"+name+"/"+container]
	if !ok {
		refuse(w, apierrors.NewBadRequest(fmt.Sprintf("container %q in pod %q is waiting to start", container, name)))
		return
	}
	_, _ = io.WriteString(w, text) // whoever asked may be gone
}

// refuse answers with an error, or breaks the connection.
func refuse(w http.ResponseWriter, err error) {
	if errors.As(err, &Cut{}) {
		panic(http.ErrAbortHandler)
	}
	status := apierrors.NewInternalError(err).Status()
	if s, ok := err.(apierrors.APIStatus); ok {
		status = s.Status()
	}
	status.Kind, status.APIVersion = "Status", "v1"
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(status.Code))
	_ = json.NewEncoder(w).Encode(status)
}

func (s *Server) handle(r *http.Request, t target, body []byte, req Request) (int, any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gr := schema.GroupResource{Group: s.kinds()[t.resource].Group, Resource: t.resource}
	live := s.objects[key(t.resource, t.namespace, t.name)]
	switch r.Method {
	case http.MethodGet:
		if t.name == "" {
			return s.list(t, r.URL.Query().Get("labelSelector"))
		}
		if live == nil {
			return 0, nil, apierrors.NewNotFound(gr, t.name)
		}
		return http.StatusOK, live.Object, nil
	case http.MethodPatch:
		return s.patch(r, t, gr, live, body, req)
	case http.MethodDelete:
		var o metav1.DeleteOptions
		if len(body) > 0 {
			if err := json.Unmarshal(body, &o); err != nil {
				return 0, nil, err
			}
		}
		if live == nil {
			return 0, nil, apierrors.NewNotFound(gr, t.name)
		}
		if o.Preconditions != nil && o.Preconditions.UID != nil && *o.Preconditions.UID != live.GetUID() {
			return 0, nil, apierrors.NewConflict(gr, t.name, fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", *o.Preconditions.UID, live.GetUID())) //nolint:staticcheck // the server's own words
		}
		s.remove(t.resource, t.namespace, t.name)
		return http.StatusOK, live.Object, nil
	}
	return 0, nil, apierrors.NewMethodNotSupported(gr, r.Method)
}

func (s *Server) list(t target, selector string) (int, any, error) {
	sel, err := labels.Parse(selector)
	if err != nil {
		return 0, nil, err
	}
	items := []any{}
	for k, o := range s.objects {
		if strings.HasPrefix(k, t.resource+"|") && (t.namespace == "" || o.GetNamespace() == t.namespace) && sel.Matches(labels.Set(o.GetLabels())) {
			items = append(items, o.DeepCopy().Object)
		}
	}
	gvk := s.kinds()[t.resource]
	return http.StatusOK, map[string]any{
		"apiVersion": gvk.GroupVersion().String(), "kind": gvk.Kind + "List",
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(s.version)}, "items": items,
	}, nil
}

func (s *Server) patch(r *http.Request, t target, gr schema.GroupResource, live *unstructured.Unstructured, body []byte, req Request) (int, any, error) {
	manager := r.URL.Query().Get("fieldManager")
	var now *unstructured.Unstructured
	switch types.PatchType(r.Header.Get("Content-Type")) {
	case types.ApplyPatchType:
		if ns := t.namespace; ns != "" && s.objects[key("namespaces", "", ns)] == nil {
			return 0, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, ns)
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(body); err != nil {
			return 0, nil, apierrors.NewBadRequest(err.Error())
		}
		if uid := o.GetUID(); uid != "" && (live == nil || live.GetUID() != uid) {
			return 0, nil, apierrors.NewConflict(gr, t.name, fmt.Errorf("uid mismatch: the provided object specified uid %s, and no existing object was found with it", uid))
		}
		m, err := s.manager(t.resource)
		if err != nil {
			return 0, nil, err
		}
		old, err := typed(live, s.kinds()[t.resource])
		if err != nil {
			return 0, nil, err
		}
		merged, err := m.Apply(old, o, manager, r.URL.Query().Get("force") == "true")
		if err != nil {
			return 0, nil, err
		}
		if err := refuseNulls(merged, kinds[t.resource], t.name); err != nil {
			return 0, nil, err
		}
		if err := s.complete(merged, live == nil); err != nil {
			return 0, nil, err
		}
		if now, err = plain(merged, s.kinds()[t.resource]); err != nil {
			return 0, nil, err
		}
	default:
		if live == nil {
			return 0, nil, apierrors.NewNotFound(gr, t.name)
		}
		changed, err := patched(r, live, body)
		if err != nil {
			return 0, nil, err
		}
		if rv := changed.GetResourceVersion(); rv != "" && rv != live.GetResourceVersion() {
			return 0, nil, apierrors.NewConflict(gr, t.name, fmt.Errorf("the object has been modified"))
		}
		if now, err = s.update(live, changed, manager); err != nil {
			return 0, nil, err
		}
	}
	code := http.StatusOK
	if live == nil {
		code = http.StatusCreated
	}
	if req.DryRun {
		if live != nil {
			now.SetUID(live.GetUID())
			now.SetResourceVersion(live.GetResourceVersion())
			now.SetCreationTimestamp(live.GetCreationTimestamp())
		}
		return code, now.Object, nil
	}
	if live != nil && same(live, now) {
		return code, live.Object, nil
	}
	out := s.store(t.resource, live, now)
	if out.GetDeletionTimestamp() != nil && len(out.GetFinalizers()) == 0 {
		s.remove(t.resource, t.namespace, t.name)
	}
	return code, out.Object, nil
}

// refuseNulls refuses a custom resource in which an apply has made null of a map, as
// it does of one whose last field it takes out.
func refuseNulls(o runtime.Object, gvk schema.GroupVersionKind, name string) error {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	spec, _, _ := unstructured.NestedMap(u.Object, "spec")
	var causes field.ErrorList
	for k, v := range spec {
		if v == nil {
			at := field.NewPath("spec", k)
			causes = append(causes, field.Invalid(at, "null", at.String()+` in body must be of type object: "null"`))
		}
	}
	if len(causes) == 0 {
		return nil
	}
	return apierrors.NewInvalid(gvk.GroupKind(), name, causes)
}

// same reports whether an apply changed nothing, so that the version stays.
func same(a, b *unstructured.Unstructured) bool {
	x, y := a.DeepCopy(), b.DeepCopy()
	for _, o := range []*unstructured.Unstructured{x, y} {
		fields := o.GetManagedFields()
		for i := range fields {
			fields[i].Time = nil
		}
		o.SetManagedFields(fields)
		o.SetUID("")
		o.SetResourceVersion("")
		o.SetCreationTimestamp(metav1.Time{})
	}
	xj, errX := json.Marshal(x.Object)
	yj, errY := json.Marshal(y.Object)
	return errX == nil && errY == nil && bytes.Equal(xj, yj)
}

func patched(r *http.Request, live *unstructured.Unstructured, body []byte) (*unstructured.Unstructured, error) {
	doc, err := live.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out []byte
	if types.PatchType(r.Header.Get("Content-Type")) == types.JSONPatchType {
		p, err := jsonpatch.DecodePatch(body)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		if out, err = p.Apply(doc); err != nil {
			return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "patch", schema.GroupResource{}, live.GetName(), err.Error(), 0, true)
		}
	} else if out, err = jsonpatch.MergePatch(doc, body); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	o := &unstructured.Unstructured{}
	return o, o.UnmarshalJSON(out)
}

func (s *Server) watch(w http.ResponseWriter, r *http.Request, t target) {
	flusher, ok := w.(http.Flusher)
	if !ok {
		return
	}
	const room = 10000
	watching := &watcher{resource: t.resource, namespace: t.namespace, events: make(chan []byte, room)}
	s.mu.Lock()
	id := s.nextID
	s.nextID++
	s.watchers[id] = watching
	// What changed since the version asked for: all objects newer than it.
	since, _ := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	initial := r.URL.Query().Get("sendInitialEvents") == "true"
	for k, o := range s.objects {
		rv, _ := strconv.Atoi(o.GetResourceVersion())
		if strings.HasPrefix(k, t.resource+"|") && (t.namespace == "" || o.GetNamespace() == t.namespace) && (initial || rv > since) {
			if body, err := json.Marshal(map[string]any{"type": "ADDED", "object": o.Object}); err == nil {
				watching.events <- append(body, '\n')
			}
		}
	}
	if initial {
		gvk := s.kinds()[t.resource]
		mark := map[string]any{"apiVersion": gvk.GroupVersion().String(), "kind": gvk.Kind, "metadata": map[string]any{
			"resourceVersion": strconv.Itoa(s.version), "annotations": map[string]any{metav1.InitialEventsAnnotationKey: "true"},
		}}
		if body, err := json.Marshal(map[string]any{"type": "BOOKMARK", "object": mark}); err == nil {
			watching.events <- append(body, '\n')
		}
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.watchers, id)
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flusher.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case e := <-watching.events:
			if _, err := w.Write(e); err != nil {
				return
			}
			flusher.Flush()
		}
	}
}
