package supervisor

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/component"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/nodes"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/provisioner"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/statedir"
)

const (
	// serverPatience is how long the API server may take: 6 s alone, a minute and more
	// on a machine that compiles at the same time.
	serverPatience = 3 * time.Minute
	// readyPatience is how long everything after that may take, with ten thousand nodes.
	readyPatience = 15 * time.Minute
)

// bringUp starts the components in order and returns when the cluster is ready.
func (c *cluster) bringUp(ctx context.Context, self string, specs []component.Spec) error {
	byName := map[string]component.Spec{}
	for _, s := range specs {
		byName[s.Name] = s
	}
	// etcd and the API server start together: the one waits for the other.
	if err := c.startAll(byName, component.Etcd, component.APIServer); err != nil {
		return err
	}
	if err := c.awaitServer(ctx); err != nil {
		return err
	}
	if err := c.startAll(byName, component.ControllerManager, component.Scheduler, component.Kwok); err != nil {
		return err
	}
	c.startServices(ctx)
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	if err := c.startEngines(ctx, self); err != nil {
		return err
	}
	if err := c.step(fmt.Sprintf("creating %d nodes", c.config.Nodes())); err != nil {
		return err
	}
	if err := nodes.Create(ctx, c.client, nodes.Of(c.config)); err != nil {
		return err
	}
	if err := c.createStorageClass(ctx); err != nil {
		return err
	}
	if err := c.sparePods(ctx); err != nil {
		return err
	}
	if err := c.step(fmt.Sprintf("waiting for %d nodes", c.config.Nodes())); err != nil {
		return err
	}
	if err := c.awaitNodes(ctx); err != nil {
		return err
	}
	if err := c.awaitServiceAccount(ctx); err != nil {
		return err
	}
	c.state.Phase, c.state.ReadyAt = statedir.Ready, time.Now()
	return c.step("")
}

func (c *cluster) startAll(specs map[string]component.Spec, names ...string) error {
	for _, name := range names {
		if err := c.step("starting " + name); err != nil {
			return err
		}
		if err := c.start(specs[name]); err != nil {
			return err
		}
	}
	return c.step("waiting for " + names[len(names)-1])
}

func (c *cluster) start(s component.Spec) error {
	p, err := c.launcher.launch(s)
	if err != nil {
		return err
	}
	c.state.Processes = append(c.state.Processes, p)
	return nil
}

// awaitServer asks for readiness until it is there; there is nothing to watch yet.
func (c *cluster) awaitServer(ctx context.Context) error {
	const interval = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last error
	for {
		if _, last = c.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx); last == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("the API server is not ready after %s: %w; see %s",
				serverPatience, last, c.dir.Log(component.APIServer))
		}
	}
}

func (c *cluster) createStorageClass(ctx context.Context) error {
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "standard",
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner:          provisioner.Local,
		VolumeBindingMode:    ptr.To(storagev1.VolumeBindingWaitForFirstConsumer),
		AllowVolumeExpansion: ptr.To(true),
	}
	_, err := c.client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create storage class standard: %w", err)
	}
	return nil
}

// awaitNodes waits until every node is ready and may take pods.
func (c *cluster) awaitNodes(ctx context.Context) error {
	want := c.config.Nodes()
	if want == 0 {
		return nil
	}
	ready := map[string]bool{}
	list := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return c.client.CoreV1().Nodes().List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return c.client.CoreV1().Nodes().Watch(ctx, o)
		},
	}
	_, err := watchtools.UntilWithSync(ctx, list, &corev1.Node{}, nil, func(e watch.Event) (bool, error) {
		if n, ok := e.Object.(*corev1.Node); ok && e.Type != watch.Deleted && usable(n) {
			ready[n.Name] = true
		}
		return len(ready) >= want, nil
	})
	if err != nil {
		return fmt.Errorf("%d of %d nodes are ready: %w", len(ready), want, err)
	}
	return nil
}

// usable is a node that is Ready and whose start-up taints are gone.
func usable(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable {
			return false
		}
	}
	for _, cond := range n.Status.Conditions {
		if cond.Type == corev1.NodeReady {
			return cond.Status == corev1.ConditionTrue
		}
	}
	return false
}

// awaitServiceAccount waits for the account without which no pod can be created.
func (c *cluster) awaitServiceAccount(ctx context.Context) error {
	accounts := c.client.CoreV1().ServiceAccounts(metav1.NamespaceDefault)
	only := fields.OneTermEqualSelector(metav1.ObjectNameField, "default").String()
	list := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = only
			return accounts.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = only
			return accounts.Watch(ctx, o)
		},
	}
	_, err := watchtools.UntilWithSync(ctx, list, &corev1.ServiceAccount{}, nil, func(e watch.Event) (bool, error) {
		return e.Type != watch.Deleted, nil
	})
	if err != nil {
		return fmt.Errorf("wait for the default service account: %w", err)
	}
	return nil
}
