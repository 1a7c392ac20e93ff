package provisioner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/simulate"
)

const (
	// workers is how many claims are worked on at a time.
	workers = 4
	// firstRetry and lastRetry bound the pause after a failure, as external-provisioner
	// has it: it starts at a second and doubles up to five minutes.
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// item is a claim, or a volume if it has no namespace.
type item struct{ namespace, name string }

// errRefused is a failure that was asked for by annotation.
var errRefused = errors.New("refused")

// Provisioner stands in for volume drivers in one cluster.
type Provisioner struct {
	client  kubernetes.Interface
	drivers []string

	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	classes storagelisters.StorageClassLister

	queue  workqueue.TypedRateLimitingInterface[item]
	events record.EventRecorder
}

// Run works until ctx ends, for the local provisioner and all others named.
func Run(ctx context.Context, client kubernetes.Interface, others []string) error {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})

	factory := informers.NewSharedInformerFactory(client, 0)
	claims, volumes := factory.Core().V1().PersistentVolumeClaims(), factory.Core().V1().PersistentVolumes()
	classes := factory.Storage().V1().StorageClasses()
	p := &Provisioner{
		client:  client,
		drivers: append([]string{Local}, others...),
		claims:  claims.Lister(), volumes: volumes.Lister(), classes: classes.Lister(),
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[item](firstRetry, lastRetry)),
		events: broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "devcluster-provisioner"}),
	}
	for _, informer := range []cache.SharedIndexInformer{claims.Informer(), volumes.Informer(), classes.Informer()} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    p.noticed,
			UpdateFunc: func(_, o any) { p.noticed(o) },
		}); err != nil {
			return fmt.Errorf("watch volumes: %w", err)
		}
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	if err := factory.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return fmt.Errorf("watch volumes: %w", err)
	}

	stop := context.AfterFunc(ctx, p.queue.ShutDown)
	defer stop()
	var running sync.WaitGroup
	for range workers {
		running.Go(func() {
			for p.next(ctx) {
			}
		})
	}
	running.Wait()
	return nil
}

// noticed queues what an object that changed may concern.
func (p *Provisioner) noticed(o any) {
	switch o := o.(type) {
	case *corev1.PersistentVolumeClaim:
		p.queue.Add(item{o.Namespace, o.Name})
	case *corev1.PersistentVolume:
		p.queue.Add(item{"", o.Name})
		if c := o.Spec.ClaimRef; c != nil {
			p.queue.Add(item{c.Namespace, c.Name})
		}
	case *storagev1.StorageClass:
		// A claim may have waited for its class.
		for _, c := range p.claimsOf(o.Name) {
			p.queue.Add(item{c.Namespace, c.Name})
		}
	}
}

func (p *Provisioner) claimsOf(class string) []*corev1.PersistentVolumeClaim {
	all, err := p.claims.List(labels.Everything())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(c *corev1.PersistentVolumeClaim) bool {
		return c.Spec.StorageClassName == nil || *c.Spec.StorageClassName != class
	})
}

func (p *Provisioner) next(ctx context.Context) bool {
	i, shutdown := p.queue.Get()
	if shutdown {
		return false
	}
	defer p.queue.Done(i)
	var err error
	if i.namespace == "" {
		err = p.volume(ctx, i.name)
	} else {
		err = p.claim(ctx, i)
	}
	switch {
	case err == nil:
		p.queue.Forget(i)
	case ctx.Err() != nil:
	default:
		if !errors.Is(err, errRefused) && !apierrors.IsConflict(err) {
			klog.ErrorS(err, "Volume work failed; trying again", "item", strings.Trim(i.namespace+"/"+i.name, "/"))
		}
		p.queue.AddRateLimited(i)
	}
	return true
}

// volume deletes a volume nobody needs.
func (p *Provisioner) volume(ctx context.Context, name string) error {
	v, err := p.volumes.Get(name)
	if apierrors.IsNotFound(err) || err == nil && !discard(v, p.drivers) {
		return nil
	}
	if err != nil {
		return err
	}
	err = p.client.CoreV1().PersistentVolumes().Delete(ctx, name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(v.UID))})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete volume %s: %w", name, err)
	}
	return nil
}

// claim gives a claim what it needs.
func (p *Provisioner) claim(ctx context.Context, i item) error {
	claim, err := p.claims.PersistentVolumeClaims(i.namespace).Get(i.name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var class *storagev1.StorageClass
	if name := claim.Spec.StorageClassName; name != nil && *name != "" {
		if class, err = p.classes.Get(*name); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	var volume *corev1.PersistentVolume
	if name := claim.Spec.VolumeName; name != "" {
		if volume, err = p.volumes.Get(name); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	switch decide(claim, class, volume, p.drivers) {
	case provision:
		return p.provision(ctx, claim, class)
	case refuse:
		p.events.Eventf(claim, corev1.EventTypeWarning, "ProvisioningFailed",
			"failed to provision volume with StorageClass %q: %s", class.Name,
			simulate.ClaimMessage(claim.Annotations, "rpc error: code = ResourceExhausted desc = quota exceeded for volumes in this zone"))
		return errRefused
	case grow:
		return p.grow(ctx, claim, volume)
	case refuseGrowth:
		return p.refuseGrowth(ctx, claim)
	}
	return nil
}

func (p *Provisioner) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) error {
	v := volumeFor(claim, class)
	if _, err := p.client.CoreV1().PersistentVolumes().Create(ctx, v, metav1.CreateOptions{}); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return nil // made before; the volume controller has not bound it yet
		}
		return fmt.Errorf("create volume %s: %w", v.Name, err)
	}
	p.events.Eventf(claim, corev1.EventTypeNormal, "ProvisioningSucceeded", "Successfully provisioned volume %s", v.Name)
	return nil
}

// grow enlarges first the volume and then what the claim reports, as a resizer does.
func (p *Provisioner) grow(ctx context.Context, claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) error {
	want := size(claim)
	if have := volume.Spec.Capacity[corev1.ResourceStorage]; have.Cmp(want) < 0 {
		larger := volume.DeepCopy()
		larger.Spec.Capacity[corev1.ResourceStorage] = want
		if _, err := p.client.CoreV1().PersistentVolumes().Update(ctx, larger, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("grow volume %s: %w", volume.Name, err)
		}
	}
	grown := claim.DeepCopy()
	grown.Status.Capacity[corev1.ResourceStorage] = want
	grown.Status.AllocatedResourceStatuses = nil
	grown.Status.Conditions = without(grown.Status.Conditions, corev1.PersistentVolumeClaimResizing,
		corev1.PersistentVolumeClaimFileSystemResizePending, corev1.PersistentVolumeClaimControllerResizeError)
	if _, err := p.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, grown, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("report the new size of claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	p.events.Eventf(claim, corev1.EventTypeNormal, "FileSystemResizeSuccessful", "MountVolume.NodeExpandVolume succeeded for volume %q", volume.Name)
	return nil
}

// refuseGrowth leaves the condition and event of a driver that cannot grow a volume.
func (p *Provisioner) refuseGrowth(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	text := simulate.ClaimMessage(claim.Annotations, "rpc error: code = OutOfRange desc = the volume cannot grow beyond the limit of its type")
	p.events.Eventf(claim, corev1.EventTypeWarning, "VolumeResizeFailed", "resize volume %q by resizer failed: %s", claim.Spec.VolumeName, text)
	failed := claim.DeepCopy()
	failed.Status.Conditions = append(without(failed.Status.Conditions, corev1.PersistentVolumeClaimControllerResizeError),
		corev1.PersistentVolumeClaimCondition{
			Type: corev1.PersistentVolumeClaimControllerResizeError, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.Now(), Message: text,
		})
	if slices.ContainsFunc(claim.Status.Conditions, func(c corev1.PersistentVolumeClaimCondition) bool {
		return c.Type == corev1.PersistentVolumeClaimControllerResizeError && c.Message == text
	}) {
		return errRefused
	}
	if _, err := p.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, failed, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("report the failed growth of claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return errRefused
}

// without returns the conditions but those of the types given.
func without(conditions []corev1.PersistentVolumeClaimCondition, types ...corev1.PersistentVolumeClaimConditionType) []corev1.PersistentVolumeClaimCondition {
	return slices.DeleteFunc(slices.Clone(conditions), func(c corev1.PersistentVolumeClaimCondition) bool {
		return slices.Contains(types, c.Type)
	})
}
