package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"
)

// Manager is the field manager of every object that mlk owns alone. It never
// changes: the server would treat a new name as somebody else.
const Manager = "terraform-provider-mlk"

// recorder is the field manager of the mark that says a state knows the object.
// It is apart from Manager so that no later apply has to repeat the mark.
const recorder = "mlk-recorder"

// Client talks to one cluster. It is safe for concurrent use.
type Client struct {
	rest    rest.Interface
	dynamic dynamic.Interface
	typed   func() (kubernetes.Interface, error)

	mu      sync.Mutex
	feeds   map[feedKey]*feed
	reads   map[feedKey]int
	written map[Ref]bool
	served  map[Kind]bool
	cluster string
	asking  *clusterAnswer
	listing *nodesAnswer
	closed  context.Context
	close   context.CancelFunc

	pending sync.WaitGroup
	// closing tells work that is kept back to go ahead.
	closing   chan struct{}
	closeOnce sync.Once
}

// NewClient makes a client. It does no I/O.
func NewClient(cfg *rest.Config) (*Client, error) {
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, err
	}
	raw := rest.CopyConfig(cfg)
	raw.ContentType = runtime.ContentTypeJSON
	raw.AcceptContentTypes = runtime.ContentTypeJSON
	raw.GroupVersion = &schema.GroupVersion{}
	raw.APIPath = "/"
	raw.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	client, err := rest.UnversionedRESTClientForConfigAndClient(raw, httpClient)
	if err != nil {
		return nil, err
	}
	dyn, err := dynamic.NewForConfigAndClient(cfg, httpClient)
	if err != nil {
		return nil, err
	}
	typed := rest.CopyConfig(cfg)
	typed.ContentType = runtime.ContentTypeProtobuf
	typed.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{
		rest:    client,
		dynamic: dyn,
		typed: sync.OnceValues(func() (kubernetes.Interface, error) {
			return kubernetes.NewForConfigAndClient(typed, httpClient)
		}),
		feeds:   map[feedKey]*feed{},
		reads:   map[feedKey]int{},
		written: map[Ref]bool{},
		served:  map[Kind]bool{},
		closed:  ctx,
		close:   cancel,
		closing: make(chan struct{}),
	}, nil
}

// Typed returns the generated clientset over the same connection, for what mlk
// only reads: pods, events, nodes, logs.
func (c *Client) Typed() (kubernetes.Interface, error) { return c.typed() }

// Close ends all watches and waits for marks that are still being written.
func (c *Client) Close() {
	c.closeOnce.Do(func() { close(c.closing) })
	c.pending.Wait()
	c.close()
}

// path returns the URL path of a kind's collection, or of one object.
func path(k Kind, namespace, name string) []string {
	var p []string
	if k.Group == "" {
		p = []string{"api", k.Version}
	} else {
		p = []string{"apis", k.Group, k.Version}
	}
	if k.Namespaced && namespace != "" {
		p = append(p, "namespaces", namespace)
	}
	p = append(p, k.Resource)
	if name != "" {
		p = append(p, name)
	}
	return p
}

// do sends a request and decodes the object it returns. Errors are the API
// server's own (apierrors) or the connection's.
func do(ctx context.Context, r *rest.Request) (*Object, int, error) {
	var code int
	body, err := r.Do(ctx).StatusCode(&code).Raw()
	if err != nil {
		return nil, code, statusError(body, err)
	}
	o := &Object{}
	if err := o.UnmarshalJSON(body); err != nil {
		return nil, code, fmt.Errorf("the server's answer is no Kubernetes object: %w", err)
	}
	return o, code, nil
}

// statusError prefers the Status in the body over the generic error that the
// REST client makes when it does not know the type.
func statusError(body []byte, err error) error {
	var s metav1.Status
	if json.Unmarshal(body, &s) == nil && s.Kind == "Status" && s.Status == metav1.StatusFailure {
		return &apierrors.StatusError{ErrStatus: s}
	}
	return err
}

// Get asks the server for an object; nil when it does not exist.
func (c *Client) Get(ctx context.Context, ref Ref) (*Object, error) {
	o, _, err := do(ctx, c.rest.Get().AbsPath(path(ref.Kind, ref.Namespace, ref.Name)...))
	if IsGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ref, err)
	}
	return o, nil
}

// IsGone reports whether the server said that this very object does not exist.
// A 404 without that reason is a missing API or a wrong address.
func IsGone(err error) bool {
	var s apierrors.APIStatus
	if !errors.As(err, &s) || s.Status().Reason != metav1.StatusReasonNotFound {
		return false
	}
	d := s.Status().Details
	return d != nil && d.Name != ""
}

// ApplyOptions say how an object is applied.
type ApplyOptions struct {
	// Manager is the field manager; "" means Manager.
	Manager string
	// Force takes fields that others own.
	Force bool
	// DryRun changes nothing and returns what would be.
	DryRun bool
	// Strict refuses unknown fields.
	Strict bool
}

// Apply sends the object by server-side apply and returns what the server made
// of it, and whether it was created by this call.
func (c *Client) Apply(ctx context.Context, k Kind, o *Object, opts ApplyOptions) (live *Object, created bool, err error) {
	live, created, err = c.apply(ctx, k, o, opts)
	if maps := emptied(o, err); len(maps) > 0 && !opts.DryRun {
		if err := c.empty(ctx, Ref{Kind: k, Namespace: o.GetNamespace(), Name: o.GetName()}, maps); err != nil {
			return nil, false, err
		}
		return c.apply(ctx, k, o, opts)
	}
	return live, created, err
}

func (c *Client) apply(ctx context.Context, k Kind, o *Object, opts ApplyOptions) (live *Object, created bool, err error) {
	body, err := json.Marshal(o.Object)
	if err != nil {
		return nil, false, err
	}
	manager := opts.Manager
	if manager == "" {
		manager = Manager
	}
	ref := Ref{Kind: k, Namespace: o.GetNamespace(), Name: o.GetName()}
	r := c.rest.Patch(types.ApplyPatchType).AbsPath(path(k, ref.Namespace, ref.Name)...).
		Param("fieldManager", manager).Param("force", strconv.FormatBool(opts.Force)).Body(body)
	if opts.DryRun {
		r = r.Param("dryRun", metav1.DryRunAll)
	} else {
		c.wrote(ref)
	}
	if opts.Strict {
		r = r.Param("fieldValidation", metav1.FieldValidationStrict)
	}
	live, code, err := do(ctx, r)
	if err != nil {
		return nil, false, fmt.Errorf("apply %s: %w", ref, err)
	}
	return live, code == http.StatusCreated, nil
}

// Merge sends a JSON merge patch under the given field manager.
func (c *Client) Merge(ctx context.Context, ref Ref, patch map[string]any, manager string) (*Object, error) {
	body, err := json.Marshal(patch)
	if err != nil {
		return nil, err
	}
	c.wrote(ref)
	o, _, err := do(ctx, c.rest.Patch(types.MergePatchType).AbsPath(path(ref.Kind, ref.Namespace, ref.Name)...).
		Param("fieldManager", manager).Body(body))
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", ref, err)
	}
	return o, nil
}

// PatchJSON sends a JSON patch (RFC 6902).
func (c *Client) PatchJSON(ctx context.Context, ref Ref, patch []byte) (*Object, error) {
	c.wrote(ref)
	o, _, err := do(ctx, c.rest.Patch(types.JSONPatchType).AbsPath(path(ref.Kind, ref.Namespace, ref.Name)...).
		Param("fieldManager", Manager).Body(patch))
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", ref, err)
	}
	return o, nil
}

// Delete asks the server to delete exactly the object with that uid, its
// dependants first. It reports whether the object was there to delete.
func (c *Client) Delete(ctx context.Context, ref Ref, uid types.UID) (bool, error) {
	return c.delete(ctx, ref, metav1.Preconditions{UID: &uid}, metav1.DeletePropagationForeground)
}

// DeleteUnchanged asks the server to delete an object unless somebody has written
// to it since it was read.
func (c *Client) DeleteUnchanged(ctx context.Context, ref Ref, o *Object) (bool, error) {
	uid, version := o.GetUID(), o.GetResourceVersion()
	return c.delete(ctx, ref, metav1.Preconditions{UID: &uid, ResourceVersion: &version}, metav1.DeletePropagationBackground)
}

// Orphan asks the server to delete exactly the object with that uid, and to
// leave its dependants.
func (c *Client) Orphan(ctx context.Context, ref Ref, uid types.UID) (bool, error) {
	return c.delete(ctx, ref, metav1.Preconditions{UID: &uid}, metav1.DeletePropagationOrphan)
}

func (c *Client) delete(ctx context.Context, ref Ref, only metav1.Preconditions, how metav1.DeletionPropagation) (bool, error) {
	body, err := json.Marshal(metav1.DeleteOptions{
		TypeMeta:          metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "v1"},
		PropagationPolicy: &how,
		Preconditions:     &only,
	})
	if err != nil {
		return false, err
	}
	c.wrote(ref)
	raw, err := c.rest.Delete().AbsPath(path(ref.Kind, ref.Namespace, ref.Name)...).Body(body).Do(ctx).Raw()
	err = statusError(raw, err)
	if err == nil {
		return true, nil
	}
	if IsGone(err) {
		return false, nil
	}
	return false, fmt.Errorf("delete %s: %w", ref, err)
}

// Evict asks the server to end exactly the pod with that uid, in a way that
// disruption budgets may refuse and that does not count as its failure. A pod
// that is gone is no error.
func (c *Client) Evict(ctx context.Context, namespace, name string, uid types.UID) error {
	typed, err := c.Typed()
	if err != nil {
		return err
	}
	err = typed.PolicyV1().Evictions(namespace).Evict(ctx, &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Namespace: namespace, Name: name},
		DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("evict pod %s/%s: %w", namespace, name, err)
	}
	return nil
}

// List returns the objects of a kind in a namespace that match the label selector.
func (c *Client) List(ctx context.Context, k Kind, namespace, selector string) ([]*Object, error) {
	var out []*Object
	err := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return c.dynamic.Resource(k.GVR()).Namespace(namespace).List(ctx, o)
	}).EachListItem(ctx, metav1.ListOptions{LabelSelector: selector}, func(item runtime.Object) error {
		if o, ok := item.(*Object); ok {
			out = append(out, o)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", k.Resource, err)
	}
	return out, nil
}

// clusterAnswer is a question for the cluster's identity that is under way.
type clusterAnswer struct {
	done chan struct{}
	uid  string
	err  error
}

// ClusterUID identifies the cluster: the uid of namespace kube-system, "" when
// this user may not read it. Calls at the same time share one request: against
// a cluster that does not answer, each would wait by itself otherwise.
func (c *Client) ClusterUID(ctx context.Context) (string, error) {
	c.mu.Lock()
	if c.cluster != "" {
		defer c.mu.Unlock()
		return c.cluster, nil
	}
	a := c.asking
	if a == nil {
		a = &clusterAnswer{done: make(chan struct{})}
		c.asking = a
		go c.askCluster(c.closed, a) //nolint:contextcheck // who asks first may be interrupted; the others still want the answer
	}
	c.mu.Unlock()
	select {
	case <-a.done:
		return a.uid, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("read Namespace %s: %w", metav1.NamespaceSystem, ctx.Err())
	}
}

func (c *Client) askCluster(ctx context.Context, a *clusterAnswer) {
	o, _, err := do(ctx, c.rest.Get().AbsPath("api", "v1", "namespaces", metav1.NamespaceSystem))
	switch {
	case err == nil:
		a.uid = string(o.GetUID())
	case !apierrors.IsForbidden(err):
		a.err = err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cluster, c.asking = a.uid, nil
	close(a.done)
}

// NamespaceExists reports whether the namespace exists and is not being
// deleted; true when this user may not know.
func (c *Client) NamespaceExists(ctx context.Context, name string) (bool, error) {
	o, _, err := do(ctx, c.rest.Get().AbsPath("api", "v1", "namespaces", name))
	switch {
	case IsGone(err):
		return false, nil
	case apierrors.IsForbidden(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("read Namespace %s: %w", name, err)
	}
	return o.GetDeletionTimestamp() == nil, nil
}

// wrote makes later reads of the object go to the server, whatever a feed says.
func (c *Client) wrote(ref Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written[ref] = true
}
