package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Query is what a data source asks the cluster with. It reads and never writes.
// What the cluster refuses comes back as diagnostics that name the data source.
type Query struct {
	client   *kube.Client
	provider *ProviderData
	title    string
	now      time.Time
}

// Title is how diagnostics call the data source: Training run "ml/llama".
func (q *Query) Title() string { return q.title }

// Now is when the read began.
func (q *Query) Now() time.Time { return q.now }

// Client is the client itself, for questions that no method here asks. Hand its
// errors to Refused.
func (q *Query) Client() *kube.Client { return q.client }

// Get reads one object; nil when it does not exist.
func (q *Query) Get(ctx context.Context, ref kube.Ref) (*kube.Object, diag.Diagnostics) {
	o, err := q.client.Get(ctx, ref)
	return o, q.Refused(ref, "read", err)
}

// List lists the objects of a kind that match the label selector, in all
// namespaces when namespace is "".
func (q *Query) List(ctx context.Context, k kube.Kind, namespace, selector string) ([]*kube.Object, diag.Diagnostics) {
	out, err := q.client.List(ctx, k, namespace, selector)
	return out, q.Refused(kube.Ref{Kind: k, Namespace: namespace}, "list", err)
}

// Pods lists the pods of a namespace by label selector. A list that was cut off
// comes with a warning.
func (q *Query) Pods(ctx context.Context, namespace, selector string) ([]corev1.Pod, diag.Diagnostics) {
	return listed(q, kube.Ref{Kind: kube.Pod, Namespace: namespace}, func(r diagnose.Reader) ([]corev1.Pod, error) {
		return r.Pods(ctx, namespace, selector)
	})
}

// PodsOnNodes lists all pods that hold resources of a node.
func (q *Query) PodsOnNodes(ctx context.Context) ([]corev1.Pod, diag.Diagnostics) {
	return listed(q, kube.Ref{Kind: kube.Pod}, func(r diagnose.Reader) ([]corev1.Pod, error) { return r.PodsOnNodes(ctx) })
}

// Nodes lists the nodes of the cluster.
func (q *Query) Nodes(ctx context.Context) ([]corev1.Node, diag.Diagnostics) {
	return listed(q, kube.Ref{Kind: kube.Node}, func(r diagnose.Reader) ([]corev1.Node, error) { return r.Nodes(ctx) })
}

// EachNode shows the nodes that match the label selector one by one, so that
// thousands of them need not be held; see kube.Client.EachNode.
func (q *Query) EachNode(ctx context.Context, selector string, look func(*corev1.Node)) diag.Diagnostics {
	return q.Refused(kube.Ref{Kind: kube.Node}, "list", q.client.EachNode(ctx, selector, look))
}

// EachPodOnNodes shows all pods that take something of a node, one by one; see
// kube.Client.EachPodOnNodes.
func (q *Query) EachPodOnNodes(ctx context.Context, look func(*corev1.Pod)) diag.Diagnostics {
	return q.Refused(kube.Ref{Kind: kube.Pod}, "list", q.client.EachPodOnNodes(ctx, look))
}

// listed asks for a list through the reader of explanations, which is typed and
// paged, so that thousands of objects cost little.
func listed[T any](q *Query, ref kube.Ref, list func(diagnose.Reader) ([]T, error)) ([]T, diag.Diagnostics) {
	typed, err := q.client.Typed()
	if err != nil {
		return nil, q.Refused(ref, "list", err)
	}
	out, err := list(diagnose.NewReader(typed))
	if errors.Is(err, diagnose.ErrTruncated) {
		return out, diag.Diagnostics{diags.Message{
			Summary:  clip(q.title + " was read in part"),
			Happened: "There are too many " + ref.String() + " to read all of them, so what is said of them is incomplete.",
		}.Warning()}
	}
	return out, q.Refused(ref, "list", err)
}

// askedLogs bounds how many logs are read at once, for the sake of the nodes.
const askedLogs = 8

// Logs returns the last lines of the log of the first container of each pod, by
// the pod's name, with secret values masked. A log that cannot be had is a
// warning; pods that have none are left out.
func (q *Query) Logs(ctx context.Context, namespace string, pods []*corev1.Pod, lines int64) (map[string]string, diag.Diagnostics) {
	typed, err := q.client.Typed()
	if err != nil {
		return nil, q.Refused(kube.Ref{Kind: kube.Pod, Namespace: namespace}, "read", err)
	}
	reader := diagnose.NewReader(typed)
	var all []corev1.Pod
	for _, p := range pods {
		all = append(all, *p)
	}
	masks := diagnose.CollectMasks(ctx, reader, namespace, all)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var problems []string
	out := map[string]string{}
	free := make(chan struct{}, askedLogs)
	for _, p := range pods {
		if len(p.Spec.Containers) == 0 {
			continue
		}
		container := p.Spec.Containers[0].Name
		if why := masks.Withholds(p, container); why != "" {
			problems = append(problems, fmt.Sprintf("The log of Pod %s/%s was not read: %s.", namespace, p.Name, why))
			continue
		}
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			text, err := diagnose.Tail(ctx, reader, namespace, p.Name, container, lines)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				problems = append(problems, fmt.Sprintf("The log of Pod %s/%s could not be read: %s.", namespace, p.Name, diagnose.Because(err)))
			case text != "":
				out[p.Name] = masks.Hide(text)
			}
		})
	}
	wg.Wait()
	if len(problems) == 0 {
		return out, nil
	}
	slices.Sort(problems)
	problems = slices.Compact(problems)
	if more := len(problems) - mostCauses; more > 0 {
		problems = append(problems[:mostCauses], fmt.Sprintf("And %d more.", more))
	}
	return out, diag.Diagnostics{diags.Message{
		Summary:  clip(q.title + ": some logs are missing"),
		Happened: strings.Join(problems, "\n"),
		Stands:   "Everything else was read; log is null there.",
	}.Warning()}
}

// Refused says why a question was not answered; nothing when err is nil.
func (q *Query) Refused(ref kube.Ref, verb string, err error) diag.Diagnostics {
	if err == nil {
		return nil
	}
	return failure{title: q.title, ref: ref, verb: verb, err: err, stands: "Nothing was read."}.diagnostics()
}
