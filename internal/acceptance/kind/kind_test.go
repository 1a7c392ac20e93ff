package kind_test

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// address is the run of all configurations.
const address = "mlk_training_job.run"

// patience bounds one command of Terraform: a kubelet looks at disks once a
// minute, and a node takes half a minute to start.
const patience = 8 * time.Minute

// scene is a configuration under testdata on the kind cluster.
type scene struct {
	*testkit.Kind
	*testkit.CLI

	t *testing.T
}

// newScene makes a namespace and initialises a configuration, by default that of
// the test's name; whatever it made is destroyed at the end.
func newScene(t *testing.T, source string, variables ...string) *scene {
	t.Helper()
	k := testkit.NewKind(t)
	s := &scene{Kind: k, t: t}
	s.CLI = testkit.NewCLI(t, "testdata/"+cmp.Or(source, t.Name()), append([]string{"namespace", k.Namespace}, variables...)...)
	s.Patience = patience
	t.Cleanup(func() {
		s.Env = nil // who applied may not be allowed to destroy
		if out := s.Destroy(); out.Code != 0 {
			t.Errorf("destroy: %s", out)
		}
	})
	return s
}

// job is the only Job of the namespace.
func (s *scene) job() *batchv1.Job {
	s.t.Helper()
	list, err := s.Kube.BatchV1().Jobs(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		s.t.Fatalf("%d jobs, want 1 (%v)", len(list.Items), err)
	}
	return &list.Items[0]
}

// outputs are the configuration's.
func (s *scene) outputs() map[string]any {
	s.t.Helper()
	out := s.Run("output", "-json")
	var values map[string]struct {
		Value any `json:"value"`
	}
	if err := json.Unmarshal([]byte(out.Stdout), &values); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	all := map[string]any{}
	for name, v := range values {
		all[name] = v.Value
	}
	return all
}

// noChanges checks that a plan has nothing to do.
func (s *scene) noChanges() {
	s.t.Helper()
	if out := s.Plan(); out.Code != 0 {
		s.t.Errorf("the plan is not empty: %s", out)
	}
}

// explains checks that a command failed and said all of these, in this order.
func explains(t *testing.T, out testkit.Output, want ...string) {
	t.Helper()
	t.Logf("what it said:\n%s", out.Stderr)
	if out.Code == 0 {
		t.Fatalf("it went well: %s", out)
	}
	for _, never := range []string{"timed out", "context deadline", "failed to", "&{", "%!"} {
		for line := range strings.Lines(out.Stderr) {
			// Runtimes say "failed to" all the time.
			if strings.Contains(line, never) && !strings.Contains(line, "failed to pull") && !strings.Contains(line, "failed to resolve") {
				t.Errorf("it says %q: %s", never, line)
			}
		}
	}
	rest := plain(out.Stderr)
	for _, w := range want {
		_, after, ok := strings.Cut(rest, plain(w))
		if !ok {
			t.Errorf("it does not say %q, or not in this place", w)
			continue
		}
		rest = after
	}
}

// plain is a text without Terraform's frames and line breaks.
func plain(text string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(text)), " ")
}

// pod is the only pod of the namespace, once it is there.
func (s *scene) pod() *corev1.Pod {
	s.t.Helper()
	var found *corev1.Pod
	s.Until("the pod is there", func(ctx context.Context) (bool, error) {
		pods, err := s.Pods(ctx)
		if len(pods) == 1 {
			found = &pods[0]
		}
		return found != nil, err
	})
	return found
}

// cleanup is a context that outlives the test's own, which ends before what
// t.Cleanup runs.
func cleanup(t *testing.T) context.Context {
	t.Helper()
	return context.WithoutCancel(t.Context())
}
