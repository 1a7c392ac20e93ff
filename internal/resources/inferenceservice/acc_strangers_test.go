package inferenceservice_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const (
	patches   = 1000
	planEvery = 50
)

// stranger writes to the objects of a service what mlk does not own, as admission
// webhooks, autoscalers, operators and people do.
type stranger struct {
	*testkit.Acceptance

	t   *testing.T
	rng *rand.Rand
}

// writes are what a stranger does, by name, with how often of a hundred times.
// Templates change seldom: each change is a rollout.
var writes = []struct {
	name  string
	often int
	write func(s *stranger) error
}{
	{"label", 30, func(s *stranger) error { return s.note("labels", s.rng.IntN(20)) }},
	{"annotation", 30, func(s *stranger) error { return s.note("annotations", s.rng.IntN(20)) }},
	{"replicas", 15, (*stranger).scale},
	{"the same value", 10, func(s *stranger) error {
		return s.deployment(`{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"LOG_LEVEL","value":"info"}]}]}}}}`)
	}},
	{"a default", 8, func(s *stranger) error {
		return s.deployment(s.pick(
			`{"spec":{"template":{"spec":{"dnsPolicy":"ClusterFirst"}}}}`,
			`{"spec":{"template":{"spec":{"containers":[{"name":"main","terminationMessagePath":"/dev/termination-log"}]}}}}`,
			`{"spec":{"template":{"spec":{"schedulerName":"default-scheduler","securityContext":{}}}}}`,
		))
	}},
	{"template", 4, func(s *stranger) error {
		return s.deployment(s.pick(
			`{"spec":{"template":{"spec":{"containers":[{"name":"proxy","image":"mesh:1"}]}}}}`,
			`{"spec":{"template":{"spec":{"containers":[{"name":"proxy","$patch":"delete"}]}}}}`,
			`{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"TRACE","value":"on"}]}]}}}}`,
			`{"spec":{"template":{"spec":{"tolerations":[{"key":"spot","operator":"Exists"}]}}}}`,
			fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:%02dZ"}}}}}`, s.rng.IntN(60)),
		))
	}},
	{"all of it", 3, (*stranger).rewrite},
}

func (s *stranger) pick(from ...string) string { return from[s.rng.IntN(len(from))] }

func (s *stranger) deployment(patch string) error {
	_, err := s.Kube.AppsV1().Deployments(s.Namespace).Patch(s.t.Context(), "api", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "stranger"})
	return err
}

// note sets or removes a label or an annotation of one of the objects.
func (s *stranger) note(what string, n int) error {
	value := any(fmt.Sprint(s.rng.IntN(100)))
	if s.rng.IntN(4) == 0 {
		value = nil
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{what: map[string]any{fmt.Sprintf("stranger.example/%d", n): value}}})
	if err != nil {
		return err
	}
	ctx, o := s.t.Context(), metav1.PatchOptions{FieldManager: "stranger"}
	switch s.rng.IntN(4) {
	case 0:
		_, err = s.Kube.AppsV1().Deployments(s.Namespace).Patch(ctx, "api", types.MergePatchType, body, o)
	case 1:
		_, err = s.Kube.CoreV1().Services(s.Namespace).Patch(ctx, "api", types.MergePatchType, body, o)
	case 2:
		_, err = s.Kube.AutoscalingV2().HorizontalPodAutoscalers(s.Namespace).Patch(ctx, "api", types.MergePatchType, body, o)
	default:
		_, err = s.Kube.PolicyV1().PodDisruptionBudgets(s.Namespace).Patch(ctx, "api", types.MergePatchType, body, o)
	}
	return err
}

// scale is what an autoscaler does.
func (s *stranger) scale() error {
	scales := s.Kube.AppsV1().Deployments(s.Namespace)
	_, err := scales.Patch(s.t.Context(), "api", types.MergePatchType, fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, 2+s.rng.IntN(7)), metav1.PatchOptions{FieldManager: "autoscaler"}, "scale")
	return err
}

// rewrite is what an old operator does: it reads an object and writes all of it.
func (s *stranger) rewrite() error {
	body := fmt.Appendf(nil, `{"metadata":{"annotations":{"stranger.example/rewritten":"%d"}}}`, s.rng.IntN(1000))
	for { // the controllers write too
		d, err := s.get()
		if err != nil {
			return err
		}
		if err := json.Unmarshal(body, d); err != nil {
			return err
		}
		_, err = s.Kube.AppsV1().Deployments(s.Namespace).Update(s.t.Context(), d, metav1.UpdateOptions{FieldManager: "operator"})
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}

func (s *stranger) get() (*appsv1.Deployment, error) {
	return s.Kube.AppsV1().Deployments(s.Namespace).Get(s.t.Context(), "api", metav1.GetOptions{})
}

// strange is what others have put on the Deployment.
func (s *stranger) strange() string {
	s.t.Helper()
	d, err := s.get()
	if err != nil {
		s.t.Fatal(err)
	}
	own := func(m map[string]string) map[string]string {
		out := map[string]string{}
		for k, v := range m {
			if strings.HasPrefix(k, "stranger") {
				out[k] = v
			}
		}
		return out
	}
	t := d.Spec.Template.Spec
	for i := range t.Containers {
		t.Containers[i].Image = ""
	}
	text, err := json.MarshalIndent([]any{own(d.Labels), own(d.Annotations), d.Spec.Replicas, t.Containers, t.Tolerations}, "", " ")
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// TestAccStrangers: a thousand writes of others, a plan after every fifty: none has
// anything to do. An update in the end leaves all that the others have put there.
func TestAccStrangers(t *testing.T) { // pains 20, 21, 33
	t.Parallel()
	s := &stranger{Acceptance: testkit.NewAcceptance(t), t: t, rng: rand.New(rand.NewPCG(4, 1000))} //nolint:gosec // a test that can be run again
	cli := testkit.NewCLI(t, "testdata/TestAccStrangers", "namespace", s.Namespace)
	t.Cleanup(func() {
		if out := cli.Destroy(); out.Code != 0 {
			t.Errorf("destroy: %s", out)
		}
	})
	cli.MustApply()
	var last []string
	for i := range patches {
		n := s.rng.IntN(100)
		for _, w := range writes {
			if n -= w.often; n >= 0 {
				continue
			}
			if err := w.write(s); err != nil {
				t.Fatalf("write %d, %s: %v", i, w.name, err)
			}
			last = append(last, w.name)
			break
		}
		if (i+1)%planEvery == 0 {
			if out := cli.Plan(); out.Code != 0 {
				t.Fatalf("after %d writes, the last of them %q, the plan has something to do: %s", i+1, last, out)
			}
			last = nil
		}
	}
	before := s.strange()
	if !strings.Contains(before, "stranger.example") || !strings.Contains(before, "TRACE") {
		t.Fatalf("others have left nothing to lose: %s", before)
	}
	cli.Set("namespace", s.Namespace, "image", "model:2")
	cli.MustApply()
	if after := s.strange(); after != before {
		t.Errorf("an update took away what others had put there:\n%s\nis now\n%s", before, after)
	}
}
