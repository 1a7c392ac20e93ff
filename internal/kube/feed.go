package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// Kinds that mlk reads and never writes.
var (
	Node  = Kind{Version: "v1", Kind: "Node", Resource: "nodes"}
	Event = Kind{Version: "v1", Kind: "Event", Resource: "events", Namespaced: true}
	// ReplicaSet is a revision of a Deployment, ControllerRevision one of a
	// DaemonSet, EndpointSlice who serves a Service.
	ControllerRevision = Kind{Group: "apps", Version: "v1", Kind: "ControllerRevision", Resource: "controllerrevisions", Namespaced: true}
	ReplicaSet         = Kind{Group: "apps", Version: "v1", Kind: "ReplicaSet", Resource: "replicasets", Namespaced: true}
	EndpointSlice      = Kind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice", Resource: "endpointslices", Namespaced: true}
	// Namespace is read only, to tell clusters apart and to see whether it exists.
	Namespace = Kind{Version: "v1", Kind: "Namespace", Resource: "namespaces"}
)

// readsBeforeFeed is how many single reads of a kind and namespace happen
// before one LIST and WATCH answers the rest: below it, the list may well cost
// more than the reads it saves.
const readsBeforeFeed = 3

// feedSync bounds how long a read waits for a feed's first list before it asks
// the server itself.
const feedSync = 10 * time.Second

// A broken feed is tried again after feedBackoff, doubling up to
// feedBackoffMost, so that a control plane that restarts is seen again soon.
const (
	feedBackoff     = 200 * time.Millisecond
	feedBackoffMost = 5 * time.Second
)

type feedKey struct {
	kind      string
	group     string
	namespace string
}

// feed is one LIST and WATCH of a kind in a namespace, shared by all readers
// and waits of a client.
type feed struct {
	store  cache.Store
	synced chan struct{}

	mu      sync.Mutex
	err     error
	waiting map[chan<- struct{}]int
	ready   bool
	// departed holds the last state of objects that went while somebody waited:
	// a Job with a TTL of zero is finished and gone in one breath.
	departed map[string]*Object
}

// Read returns the object like Get, but may answer from a feed once several
// objects of the kind were read. Own writes are always seen.
func (c *Client) Read(ctx context.Context, ref Ref) (*Object, error) {
	key := keyOf(ref.Kind, ref.Namespace)
	c.mu.Lock()
	c.reads[key]++
	direct := c.written[ref] || c.reads[key] <= readsBeforeFeed
	c.mu.Unlock()
	if direct {
		return c.Get(ctx, ref)
	}
	f := c.feed(ref.Kind, ref.Namespace)
	if !f.wait(ctx, feedSync) {
		return c.Get(ctx, ref)
	}
	// A miss proves nothing: the feed may lag behind or be broken.
	item, ok, err := f.store.GetByKey(storeKey(ref.Namespace, ref.Name))
	if err != nil || !ok {
		return c.Get(ctx, ref)
	}
	o, ok := item.(*Object)
	if !ok {
		return c.Get(ctx, ref)
	}
	return o, nil
}

func keyOf(k Kind, namespace string) feedKey {
	return feedKey{kind: k.Kind, group: k.Group, namespace: namespace}
}

func storeKey(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// Watching is a running look at one kind in one namespace.
type Watching struct {
	feed  *feed
	woken chan<- struct{}
}

// Watch starts to follow a kind in a namespace, or joins those who do. woken,
// a channel with room for one, gets a signal when something in the namespace
// changed or the watch broke; several changes may give one signal.
func (c *Client) Watch(k Kind, namespace string, woken chan<- struct{}) *Watching {
	f := c.feed(k, namespace)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting[woken]++
	return &Watching{feed: f, woken: woken}
}

// Ready reports whether the first list has come.
func (w *Watching) Ready() bool {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	return w.feed.ready
}

// Healthy reports whether the watch runs, or is only just starting.
func (w *Watching) Healthy() bool {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	return w.feed.err == nil
}

// Departed returns the last state of an object the watch saw go.
func (w *Watching) Departed(namespace, name string) *Object {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	return w.feed.departed[storeKey(namespace, name)]
}

// DepartedMatching returns the last states of the objects the watch saw go that
// match a label selector.
func (w *Watching) DepartedMatching(selector string) []*Object {
	s, err := labels.Parse(selector)
	if err != nil {
		return nil
	}
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	var out []*Object
	for _, o := range w.feed.departed {
		if s.Matches(labels.Set(o.GetLabels())) {
			out = append(out, o)
		}
	}
	return out
}

// Get returns the object as the watch last saw it.
func (w *Watching) Get(namespace, name string) *Object {
	item, ok, err := w.feed.store.GetByKey(storeKey(namespace, name))
	if err != nil || !ok {
		return nil
	}
	o, _ := item.(*Object)
	return o
}

// Matching returns the objects that match a label selector, "" for all, as the
// watch last saw them. They are shared: do not change them.
func (w *Watching) Matching(selector string) ([]*Object, error) {
	return w.feed.matching(selector)
}

// Stop leaves the watch; others may go on with it.
func (w *Watching) Stop() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	if w.feed.waiting[w.woken]--; w.feed.waiting[w.woken] <= 0 {
		delete(w.feed.waiting, w.woken)
	}
}

// feed returns the running feed of a kind and namespace, starting it first.
func (c *Client) feed(k Kind, namespace string) *feed {
	key := keyOf(k, namespace)
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.feeds[key]; ok {
		return f
	}
	f := &feed{synced: make(chan struct{}), waiting: map[chan<- struct{}]int{}, departed: map[string]*Object{}}
	f.store = &notifyingStore{Store: cache.NewStore(func(o any) (string, error) {
		u, ok := o.(*Object)
		if !ok {
			return "", fmt.Errorf("unexpected %T in the watch of %s", o, k.Resource)
		}
		return storeKey(u.GetNamespace(), u.GetName()), nil
	}), feed: f}
	c.feeds[key] = f
	resource := c.dynamic.Resource(k.GVR()).Namespace(namespace)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			l, err := resource.List(ctx, o)
			f.report(err)
			return l, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := resource.Watch(ctx, o)
			f.report(err)
			return w, err
		},
	}
	r := cache.NewReflectorWithOptions(lw, &Object{}, f.store, cache.ReflectorOptions{
		Name:            k.Resource,
		TypeDescription: k.GVK().String(),
		Backoff:         &wait.Backoff{Duration: feedBackoff, Cap: feedBackoffMost, Steps: 10, Factor: 2, Jitter: 0.5},
	})
	go r.RunWithContext(c.closed)
	return f
}

// Older reports whether resource version a is older than b. Versions of one
// resource can be compared (Kubernetes 1.35 made that official); what is no
// number is not older.
func Older(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order < 0
}

// wait waits for the first list; false when it did not come or the feed broke.
func (f *feed) wait(ctx context.Context, most time.Duration) bool {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-f.synced:
	case <-ctx.Done():
		return false
	case <-t.C:
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err == nil && f.ready
}

// report notes that the feed is healthy (nil) or broken, and wakes all waits.
func (f *feed) report(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && !f.ready {
		f.open()
	}
	f.err = err
	if err != nil {
		f.wake()
	}
}

func (f *feed) open() {
	select {
	case <-f.synced:
	default:
		close(f.synced)
	}
}

func (f *feed) wake() {
	for ch := range f.waiting {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// notifyingStore wakes the waits of a feed on each change.
type notifyingStore struct {
	cache.Store
	feed *feed
}

func (s *notifyingStore) changed(err error) error {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	s.feed.wake()
	return err
}

func (s *notifyingStore) Add(o any) error    { return s.changed(s.Store.Add(o)) }
func (s *notifyingStore) Update(o any) error { return s.changed(s.Store.Update(o)) }

func (s *notifyingStore) Delete(o any) error {
	err := s.Store.Delete(o)
	if u, ok := o.(*Object); ok {
		s.feed.mu.Lock()
		if len(s.feed.waiting) > 0 {
			s.feed.departed[storeKey(u.GetNamespace(), u.GetName())] = u
		}
		s.feed.mu.Unlock()
	}
	return s.changed(err)
}

func (s *notifyingStore) Replace(items []any, rv string) error {
	err := s.Store.Replace(items, rv)
	s.feed.mu.Lock()
	s.feed.ready = true
	s.feed.open()
	s.feed.mu.Unlock()
	return s.changed(err)
}

// ReadMatching returns the objects of a kind in a namespace that match a label
// selector, from a feed once several such reads were made.
func (c *Client) ReadMatching(ctx context.Context, k Kind, namespace, selector string) ([]*Object, error) {
	key := keyOf(k, namespace)
	c.mu.Lock()
	c.reads[key]++
	direct := c.reads[key] <= readsBeforeFeed
	c.mu.Unlock()
	if !direct {
		if f := c.feed(k, namespace); f.wait(ctx, feedSync) {
			return f.matching(selector)
		}
	}
	return c.List(ctx, k, namespace, selector)
}

func (f *feed) matching(selector string) ([]*Object, error) {
	s, err := labels.Parse(selector)
	if err != nil {
		return nil, err
	}
	var out []*Object
	for _, item := range f.store.List() {
		if o, ok := item.(*Object); ok && s.Matches(labels.Set(o.GetLabels())) {
			out = append(out, o)
		}
	}
	return out, nil
}
