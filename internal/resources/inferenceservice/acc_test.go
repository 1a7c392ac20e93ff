package inferenceservice_test

import (
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

const address = "mlk_inference_service.api"

// site is an acceptance test at work in its namespace.
type site struct {
	*testkit.Acceptance
	t   *testing.T
	uid types.UID
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{Acceptance: testkit.NewAcceptance(t), t: t}
}

func (s *site) run(steps ...resource.TestStep) {
	s.t.Helper()
	s.Run(s.t, testkit.Providers(provider.New("test")), func() error {
		if _, err := s.Kube.AppsV1().Deployments(s.Namespace).Get(s.t.Context(), "api", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("the Deployment is left behind"), err)
		}
		if names := s.services(); len(names) > 0 {
			return fmt.Errorf("Services %v are left behind", names)
		}
		return nil
	}, steps...)
}

func (s *site) deployment() *appsv1.Deployment {
	s.t.Helper()
	d, err := s.Kube.AppsV1().Deployments(s.Namespace).Get(s.t.Context(), "api", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *site) services() []string {
	s.t.Helper()
	list, err := s.Kube.CoreV1().Services(s.Namespace).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for i := range list.Items {
		out = append(out, list.Items[i].Name)
	}
	return out
}

// edit changes the Deployment as somebody else would.
func (s *site) edit(patch string) {
	s.t.Helper()
	_, err := s.Kube.AppsV1().Deployments(s.Namespace).
		Patch(s.t.Context(), "api", types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		s.t.Fatal(err)
	}
}

// serves checks the Deployment and whether it is the one of the check before, the
// ready pods, and the Services there are.
func (s *site) serves(another bool, image string, ready int32, services ...string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		d := s.deployment()
		if (d.UID != s.uid) != another {
			return fmt.Errorf("another Deployment: %v, want %v", !another, another)
		}
		s.uid = d.UID
		if got := d.Spec.Template.Spec.Containers[0].Image; got != image || d.Status.ReadyReplicas != ready || d.Status.UpdatedReplicas != ready {
			return fmt.Errorf("image %s, %d pods of it and %d ready, want %s and %d", got, d.Status.UpdatedReplicas, d.Status.ReadyReplicas, image, ready)
		}
		if got := s.services(); fmt.Sprint(got) != fmt.Sprint(services) {
			return fmt.Errorf("Services %v, want %v", got, services)
		}
		return nil
	}
}

func plans(action plancheck.ResourceActionType) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{plancheck.ExpectResourceAction(address, action)}}
}

func is(attribute string, want knownvalue.Check) statecheck.StateCheck {
	return statecheck.ExpectKnownValue(address, tfjsonpath.New(attribute), want)
}

func TestAccLife(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here := "http://api." + s.Namespace + ".svc"
	s.run(
		resource.TestStep{ // the classic: three pods with a GPU each, port 80 to 8080
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.serves(true, "model:1", 3, "api"),
			ConfigStateChecks: []statecheck.StateCheck{
				is("url", knownvalue.StringExact(here)), is("ready_replicas", knownvalue.Int32Exact(3)), is("current_replicas", knownvalue.Int32Exact(3)),
			},
		},
		resource.TestStep{ // another image rolls out in place, without a GPU to spare
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			Check:             s.serves(false, "model:2", 3, "api"),
			ConfigStateChecks: []statecheck.StateCheck{is("url", knownvalue.StringExact(here+":8000"))},
		},
		resource.TestStep{ // what mlk owns is put right, what it does not own stays
			PreConfig: func() {
				s.edit(`{"metadata":{"labels":{"seen":"yes"}},"spec":{"replicas":1,"template":{"metadata":{"annotations":{"restarted":"now"}}}}}`)
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: resource.ComposeTestCheckFunc(s.serves(false, "model:2", 3, "api"), func(*terraform.State) error {
				if d := s.deployment(); d.Labels["seen"] != "yes" || d.Spec.Template.Annotations["restarted"] != "now" {
					return fmt.Errorf("what somebody else set is gone: %v %v", d.Labels, d.Spec.Template.Annotations)
				}
				return nil
			}),
		},
		resource.TestStep{ // a Service that somebody deleted is made again
			PreConfig: func() {
				if err := s.Kube.CoreV1().Services(s.Namespace).Delete(t.Context(), "api", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.serves(false, "model:2", 3, "api"),
		},
		resource.TestStep{ // Recreate has no bounds of a rolling update, which the server filled in; no Service any more
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			Check:             s.serves(false, "model:2", 1),
			ConfigStateChecks: []statecheck.StateCheck{is("url", knownvalue.Null())},
		},
		resource.TestStep{ // pods known by other labels are another Deployment
			ConfigPlanChecks: plans(plancheck.ResourceActionReplace),
			Check:            s.serves(true, "model:2", 1, "front"),
		},
		resource.TestStep{ // a Deployment that somebody deleted is made again
			PreConfig: func() {
				if err := s.Kube.AppsV1().Deployments(s.Namespace).Delete(t.Context(), "api", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.serves(true, "model:2", 1, "front"),
		},
		resource.TestStep{ // the Service is found by its selector, whatever its name
			ConfigDirectory:         tfconfig.StaticDirectory("testdata/TestAccLife/8"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/api",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for"},
		},
	)
}

func TestAccFailures(t *testing.T) { // pains 8, 12, 13, 14
	t.Parallel()
	const tainted = "run `terraform untaint mlk_inference_service."
	for name, want := range map[string][]string{
		"ImagePull":   {"failed", "model:1", "cannot be", "pulled", tainted},
		"CrashLoop":   {"failed: container main exited with code 1", "no such model", tainted},
		"NeverReady":  {"is not ready: container main runs but is not ready", "readiness_probe", "after 20s", "Readiness probe failed", tainted},
		"TooManyGPUs": {"is not ready after 4s: no node has 16 GPUs", "(gpu.count)", tainted},
		"Quota":       {"failed: quota gpus is used up", "(gpu.count)", "refused", tainted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if name == "Quota" {
				s.quota("requests.nvidia.com/gpu", "1")
			}
			s.run(resource.TestStep{ConfigDirectory: tfconfig.TestNameDirectory(), ExpectError: testkit.Words(want...)})
		})
	}
}

func (s *site) quota(name corev1.ResourceName, most string) {
	s.t.Helper()
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "gpus"}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{name: apiresource.MustParse(most)}}}
	if _, err := s.Kube.CoreV1().ResourceQuotas(s.Namespace).Create(s.t.Context(), q, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.Until(s.t, "the quota is counted", func() bool {
		q, err := s.Kube.CoreV1().ResourceQuotas(s.Namespace).Get(s.t.Context(), "gpus", metav1.GetOptions{})
		return err == nil && len(q.Status.Hard) > 0
	})
}

// A rollout that fails tells who still serves, is not "no changes" afterwards, and
// is over with the next one.
func TestAccFailedUpdate(t *testing.T) { // pains 9, 13
	t.Parallel()
	s := newSite(t)
	s.run(
		resource.TestStep{Check: s.serves(true, "model:1", 2, "api")},
		resource.TestStep{ExpectError: testkit.Words("failed", "model:2", "Revision 1 (image model:1) still serves, with 2 ready pods; revision 2 is the one that failed")},
		resource.TestStep{
			PreConfig: func() {
				if d := s.deployment(); d.Status.AvailableReplicas != 2 || d.Spec.Template.Spec.Containers[0].Image != "model:2" {
					t.Errorf("after the failure: %v", d.Status)
				}
			},
			ConfigDirectory:    tfconfig.StaticDirectory("testdata/TestAccFailedUpdate/2"),
			PlanOnly:           true,
			ExpectNonEmptyPlan: true,
		},
		resource.TestStep{
			ConfigDirectory:  tfconfig.StaticDirectory("testdata/TestAccFailedUpdate/3"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.serves(false, "model:3", 2, "api"),
		},
	)
}

// What fails in an update is told with its cause, as soon as it is certain, and
// with who still serves; the pods of the revision before are left alone.
func TestAccFailedUpdates(t *testing.T) { // pains 12, 13, 14
	t.Parallel()
	const stands = "Revision 1 (image model:1) still serves, with 1 ready pod; revision 2 is the one that failed"
	for name, c := range map[string]struct {
		variables tfconfig.Variables
		want      []string
		within    time.Duration
	}{
		"ImagePull": {tfconfig.Variables{"simulate": tfconfig.StringVariable("imagepull")}, []string{"failed", "model:2", "pulled", stands}, time.Minute},
		"Probe": {
			tfconfig.Variables{"simulate": tfconfig.StringVariable("never-ready"), "update": tfconfig.StringVariable("30s")},
			[]string{"is not ready", "container main runs but is not ready", "readiness_probe", "Readiness probe failed", stands},
			time.Minute,
		},
		// Certain once no autoscaler has taken notice for a minute.
		"NoGPU": {tfconfig.Variables{"gpus": tfconfig.IntegerVariable(16)}, []string{"failed: no node has 16 GPUs", "(gpu.count)", stands}, 2 * time.Minute},
		// Certain once it has been refused for half a minute, as no old pod may end.
		"Quota": {tfconfig.Variables{}, []string{"failed: quota gpus is used up", "(rollout.strategy)", "refused", stands, "max_unavailable"}, 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if name == "Quota" {
				s.quota("requests.nvidia.com/gpu", "1")
			}
			maps.Copy(c.variables, s.Variables())
			c.variables["image"] = tfconfig.StringVariable("model:2")
			directory := tfconfig.StaticDirectory("testdata/TestAccFailedUpdates")
			var began time.Time
			s.run(
				resource.TestStep{ConfigDirectory: directory, Check: s.serves(true, "model:1", 1, "api")},
				resource.TestStep{
					ConfigDirectory: directory, ConfigVariables: c.variables, ExpectError: testkit.Words(c.want...),
					PreConfig: func() { began = time.Now() },
				},
				resource.TestStep{ // state and cluster agree: it is planned again, and nothing else
					ConfigDirectory: directory, ConfigVariables: c.variables, PlanOnly: true, ExpectNonEmptyPlan: true,
					PreConfig: func() {
						if took := time.Since(began); took > c.within {
							t.Errorf("it took %s to be told", took)
						}
						if d := s.deployment(); d.Status.AvailableReplicas != 1 || d.Spec.Template.Spec.Containers[0].Image != "model:2" {
							t.Errorf("after the failure: %v", d.Status)
						}
					},
				},
			)
		})
	}
}
