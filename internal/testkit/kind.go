package testkit

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Kind is an acceptance test on the kind cluster, where pods really run. Each
// test has a namespace of its own; the nodes are everybody's.
type Kind struct {
	*Acceptance

	engine, name string
}

// Names of what a kind cluster has.
const (
	// Trainer is the image of internal/testkit/images/trainer.
	Trainer = "mlk.dev/trainer:dev"
	// Server is the image of internal/testkit/images/server.
	Server = "mlk.dev/server:dev"

	kindSwitch = "MLK_KIND"
)

// kindPatience bounds what only the cluster does: a node that starts anew is
// ready after half a minute on an idle machine.
const kindPatience = 4 * time.Minute

// OnKind reports whether the cluster of the tests is a kind cluster with GPUs
// lent to its workers: MLK_KIND=1, and MLK_KIND_ENGINE and MLK_KIND_NAME say
// where its nodes are.
func OnKind() bool { return os.Getenv(kindSwitch) != "" }

// NewKind skips the test unless the cluster is a kind cluster.
func NewKind(t *testing.T) *Kind {
	t.Helper()
	if !OnKind() {
		t.Skip("needs real nodes: make testacc CLUSTER=kind")
	}
	k := &Kind{Acceptance: NewAcceptance(t), engine: os.Getenv("MLK_KIND_ENGINE"), name: os.Getenv("MLK_KIND_NAME")}
	if k.engine == "" || k.name == "" {
		t.Fatal("MLK_KIND is set, MLK_KIND_ENGINE (podman or docker) or MLK_KIND_NAME is not")
	}
	return k
}

// ControlPlane is the node, and the container, of the control plane.
func (k *Kind) ControlPlane() string { return k.name + "-control-plane" }

// Workers are the nodes with GPUs.
func (k *Kind) Workers() []corev1.Node {
	k.t.Helper()
	list, err := k.Kube.CoreV1().Nodes().List(k.t.Context(), metav1.ListOptions{LabelSelector: "nvidia.com/gpu.present=true"})
	if err != nil {
		k.t.Fatal(err)
	}
	if len(list.Items) == 0 {
		k.t.Fatal("no node has GPUs: does the device plugin run?")
	}
	return list.Items
}

// Engine runs a command of Podman or Docker, and returns what it prints.
func (k *Kind) Engine(args ...string) string {
	k.t.Helper()
	// A test's clean-up mends nodes when its own context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.t.Context()), kindPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, k.engine, args...).CombinedOutput()
	if err != nil {
		k.t.Fatalf("%s %s: %v\n%s", k.engine, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// OnNode runs a shell command on a node.
func (k *Kind) OnNode(node, command string) string {
	k.t.Helper()
	return k.Engine("exec", node, "sh", "-c", command)
}

// SetUnhealthy marks GPUs of a node, by number or "all"; none makes all of them
// well again, which the end of the test does too.
func (k *Kind) SetUnhealthy(node string, devices ...string) {
	k.t.Helper()
	const file = "/run/mlk-gpu/unhealthy"
	k.t.Cleanup(func() { k.OnNode(node, "rm -f "+file) })
	k.OnNode(node, "echo '"+strings.Join(devices, " ")+"' > "+file)
}

// Until waits for what only the cluster does. What done cannot find out counts
// as not yet: the control plane may be away.
func (k *Kind) Until(what string, done func(ctx context.Context) (bool, error)) {
	k.t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(k.t.Context(), 500*time.Millisecond, kindPatience, true, func(ctx context.Context) (bool, error) {
		var ok bool
		ok, last = done(ctx)
		return ok && last == nil, nil
	})
	if err != nil {
		k.t.Fatalf("%s: %v (%v)", what, err, last)
	}
}

// Ready waits until a node is ready and can take pods.
func (k *Kind) Ready(node string) {
	k.t.Helper()
	k.Until("node "+node+" is ready", func(ctx context.Context) (bool, error) {
		n, err := k.Kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady {
				return c.Status == corev1.ConditionTrue, nil
			}
		}
		return false, nil
	})
}

// Pods are the pods of the test's namespace.
func (k *Kind) Pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := k.Kube.CoreV1().Pods(k.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Log is what a container has said so far; "" while it has not begun.
func (k *Kind) Log(ctx context.Context, pod, container string) string {
	raw, err := k.Kube.CoreV1().Pods(k.Namespace).GetLogs(pod, &corev1.PodLogOptions{Container: container}).DoRaw(ctx)
	if err != nil {
		return ""
	}
	return string(raw)
}

// AwaitLog waits until some pod's main container has said the words, and returns
// that pod.
func (k *Kind) AwaitLog(words string) *corev1.Pod {
	k.t.Helper()
	var found *corev1.Pod
	k.Until("a pod says "+words, func(ctx context.Context) (bool, error) {
		pods, err := k.Pods(ctx)
		if err != nil {
			return false, err
		}
		for i := range pods {
			if strings.Contains(k.Log(ctx, pods[i].Name, "main"), words) {
				found = &pods[i]
				return true, nil
			}
		}
		return false, nil
	})
	return found
}
