package diagnose

import (
	"context"
	"io"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Bounds of single reads, for the sake of a small provider and a large cluster.
const (
	pageSize  = 500
	mostPods  = 2000
	mostEvent = 5000
	mostNodes = 5000
	// mostBound: beyond it, sums over nodes would be wrong and are not made.
	mostBound = 20000
	// logBytes bounds a log whose lines are long; a kubelet counts it from the
	// first of the last lines, so it must not be tight.
	logBytes = 256 << 10
)

// NewReader returns a Reader over a clientset. It does no I/O.
func NewReader(c kubernetes.Interface) Reader { return clientReader{c} }

type clientReader struct{ c kubernetes.Interface }

// paged lists page by page, as many pages as most items fill.
func paged[T any](ctx context.Context, opts metav1.ListOptions, most int, list func(context.Context, metav1.ListOptions) ([]T, string, error)) ([]T, error) {
	var out []T
	opts.Limit = pageSize
	for page := 1; ; page++ {
		items, more, err := list(ctx, opts)
		out = append(out, items...)
		switch {
		case apierrors.IsResourceExpired(err) && len(out) > 0:
			// The list was too slow to be finished consistently.
			return out, ErrTruncated
		case err != nil:
			return out, err
		case more == "":
			return out, nil
		case page*pageSize >= most:
			return out, ErrTruncated
		}
		opts.Continue = more
	}
}

func (r clientReader) Pods(ctx context.Context, namespace, selector string) ([]corev1.Pod, error) {
	return paged(ctx, metav1.ListOptions{LabelSelector: selector}, mostPods, r.listPods(namespace))
}

func (r clientReader) listPods(namespace string) func(context.Context, metav1.ListOptions) ([]corev1.Pod, string, error) {
	return func(ctx context.Context, o metav1.ListOptions) ([]corev1.Pod, string, error) {
		l, err := r.c.CoreV1().Pods(namespace).List(ctx, o)
		if err != nil {
			return nil, "", err
		}
		return l.Items, l.Continue, nil
	}
}

func (r clientReader) PodsOnNodes(ctx context.Context) ([]corev1.Pod, error) {
	held := fields.AndSelectors(
		fields.OneTermNotEqualSelector("spec.nodeName", ""),
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)),
		fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
	)
	return paged(ctx, metav1.ListOptions{FieldSelector: held.String()}, mostBound, r.listPods(metav1.NamespaceAll))
}

func (r clientReader) Events(ctx context.Context, namespace string, uids ...types.UID) ([]corev1.Event, error) {
	list := func(ctx context.Context, o metav1.ListOptions) ([]corev1.Event, string, error) {
		l, err := r.c.CoreV1().Events(namespace).List(ctx, o)
		if err != nil {
			return nil, "", err
		}
		return l.Items, l.Continue, nil
	}
	if len(uids) == 0 {
		return paged(ctx, metav1.ListOptions{}, mostEvent, list)
	}
	var out []corev1.Event
	for _, uid := range uids {
		items, err := paged(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("involvedObject.uid", string(uid)).String()}, pageSize, list)
		out = append(out, items...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func (r clientReader) Nodes(ctx context.Context, names ...string) ([]corev1.Node, error) {
	if len(names) == 0 {
		return paged(ctx, metav1.ListOptions{}, mostNodes, func(ctx context.Context, o metav1.ListOptions) ([]corev1.Node, string, error) {
			l, err := r.c.CoreV1().Nodes().List(ctx, o)
			if err != nil {
				return nil, "", err
			}
			return l.Items, l.Continue, nil
		})
	}
	return each(names, func(name string) (*corev1.Node, error) {
		return r.c.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	})
}

func (r clientReader) Claims(ctx context.Context, namespace string, names ...string) ([]corev1.PersistentVolumeClaim, error) {
	return each(names, func(name string) (*corev1.PersistentVolumeClaim, error) {
		return r.c.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	})
}

// each gets objects by name, leaving out those that do not exist.
func each[T any](names []string, get func(string) (*T, error)) ([]T, error) {
	var out []T
	for _, name := range names {
		o, err := get(name)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			return out, err
		default:
			out = append(out, *o)
		}
	}
	return out, nil
}

func (r clientReader) Namespace(ctx context.Context, name string) (*corev1.Namespace, error) {
	return r.c.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
}

func (r clientReader) Secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return r.c.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (r clientReader) Logs(ctx context.Context, namespace, pod, container string, previous bool, lines int64) (string, error) {
	limit := int64(logBytes)
	stream, err := r.c.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{
		Container:  container,
		Previous:   previous,
		TailLines:  &lines,
		LimitBytes: &limit,
	}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Close() }()
	// The server may be a proxy that does not know the limit.
	b, err := io.ReadAll(io.LimitReader(stream, logBytes))
	return string(b), err
}

// Tail returns the last lines of a container's log, of its last run where the
// present one has not begun; "" when there is none.
func Tail(ctx context.Context, r Reader, namespace, pod, container string, lines int64) (string, error) {
	text, err := r.Logs(ctx, namespace, pod, container, false, lines)
	if apierrors.IsBadRequest(err) {
		text, err = r.Logs(ctx, namespace, pod, container, true, lines)
	}
	if apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) {
		return "", nil
	}
	return text, err
}
