package kind_test

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// Each way to fail is explained with what a real kubelet, runtime, registry and
// scheduler say.
func TestAccKindFailures(t *testing.T) { // pains 8, 12, 13
	t.Parallel()
	const tainted = "run `terraform untaint"
	for name, want := range map[string][]string{
		"ExitCode": {
			"failed: container main exited with code 42", "ended with exit code 42", "does not try again (backoffLimit 0)",
			"Last lines of its log:", "epoch 20/", "asked to exit with 42", tainted,
		},
		"NoRegistry":    {"failed: registry registry.mlk.invalid cannot be reached", "cannot be pulled onto node", "no such host", tainted},
		"ImageNotFound": {"failed: the image of container main does not exist", `image = "localhost:5000/team/trainer:2.l"`, "not found", tainted},
		"NeverPulled":   {"failed: the image of container main is not on its node", `image_pull_policy = "Never"`, `"mlk.dev/trainer:nope" is not on node`, tainted},
		"WrongCommand":  {"failed: the command of container main was not found", `command       = ["trian"`, `exec: "trian": executable file not found in $PATH`, tainted},
		"InitContainer": {"failed: init container fetch exited with code 1", "init_containers =", "no such data set: open /data/imagenet: no such file or directory", tainted},
		"MemoryVolumeFull": {
			"failed: container main filled volume scratch", "(volumes", "at 16Mi", "no space left on device", tainted,
		},
		"DiskVolumeFull":  {"failed: ", "(volumes", "scratch", "16Mi", tainted},
		"SecretForEnv":    {`failed: secret hf of container main does not exist`, `(env_value_from["HF_TOKEN"])`, "This has been so for 1m", `secret "hf" not found`, tainted},
		"SecretForVolume": {"is not running: secret s3-keys of volume keys is missing", `(volumes["keys"])`, `secret "s3-keys" not found`, tainted},
		"TooManyGPUs": {
			"is not running after 15s: no node has 9 GPUs", "(gpu.count)", "cannot be scheduled. It asks for 9 GPUs (nvidia.com/gpu)",
			"2 Insufficient nvidia.com/gpu", tainted, "Lower gpu.count",
		},
		"IgnoresSIGTERM": {"failed: the Job ran longer than its deadline", "active_deadline_seconds = 10", tainted},
		"Rank": { // rank 0 may end with it, and be told first
			"rank 1: container main exited with code 42", "(rank 1)",
		},
		"Liveness": {"failed: the liveness probe of container main failed", "liveness_probe =", "It has ended", "connection refused", tainted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var variables []string
			if name == "ImageNotFound" {
				variables = []string{"node", registry(t)}
			}
			s := newScene(t, "", variables...)
			out := s.Apply()
			explains(t, out, want...)
			// A busy containerd loses the output of a container that lived for a second;
			// then it is told where to look.
			said := strings.Join(strings.Fields(out.Stderr), " ")
			if name == "Rank" && !strings.Contains(said, "asked to exit with 42") && !strings.Contains(said, "kubectl logs -n "+s.Namespace) {
				t.Errorf("neither the last words of rank 1 nor where they are:\n%s", said)
			}
		})
	}
}

// A container that outgrows its memory limit is killed by the kernel. containerd
// misses that now and then, when the container ends with it; then nobody knows,
// and the limit is named as the first suspect.
func TestAccKindOutOfMemory(t *testing.T) { // pain 8
	t.Parallel()
	s := newScene(t, "")
	out := s.Apply()
	const limit, tainted = `(resources.limits["memory"])`, "run `terraform untaint"
	pods, err := s.Kube.CoreV1().Pods(s.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) != 1 || len(pods.Items[0].Status.ContainerStatuses) != 1 {
		t.Fatalf("%v: %+v", err, pods)
	}
	ended := pods.Items[0].Status.ContainerStatuses[0].State.Terminated
	if ended == nil || ended.ExitCode != 137 {
		t.Fatalf("it ended otherwise: %+v", ended)
	}
	if ended.Reason != "OOMKilled" {
		explains(t, out, "failed: container main was killed, perhaps for its memory", limit, "exit code 137 (SIGKILL)", tainted, "Suspect its memory limit of 64Mi")
		return
	}
	explains(t, out, "failed: container main exceeded its memory limit", limit, "its memory limit of 64Mi (OOMKilled, exit code 137)", "allocating 512 MiB", tainted)
}

// registry starts a server on port 5000 of a worker: a registry that answers,
// and has nothing.
func registry(t *testing.T) (node string) {
	t.Helper()
	k := testkit.NewKind(t)
	node = k.Workers()[0].Name
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "registry"}, Spec: corev1.PodSpec{
		HostNetwork: true, NodeSelector: map[string]string{corev1.LabelHostname: node},
		Containers: []corev1.Container{{Name: "main", Image: testkit.Server, Args: []string{"--port=5000"}}},
	}}
	if _, err := k.Kube.CoreV1().Pods(k.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	k.Until("the registry serves", func(ctx context.Context) (bool, error) {
		p, err := k.Kube.CoreV1().Pods(k.Namespace).Get(ctx, "registry", metav1.GetOptions{})
		return err == nil && p.Status.Phase == corev1.PodRunning, err
	})
	return node
}
