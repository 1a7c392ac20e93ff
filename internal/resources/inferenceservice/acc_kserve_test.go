package inferenceservice_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tfconfig "github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// servedBy reaches the InferenceServices of the namespace.
func (s *site) servedBy() dynamic.ResourceInterface {
	s.t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		s.t.Fatal(err)
	}
	return client.Resource(kube.InferenceService.GVR()).Namespace(s.Namespace)
}

// predictor is the Deployment that KServe has made.
func (s *site) predictor() *appsv1.Deployment {
	s.t.Helper()
	d, err := s.Kube.AppsV1().Deployments(s.Namespace).Get(s.t.Context(), "api-predictor", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// kserves checks the InferenceService, and whether it is the one of the check before,
// and what KServe has made of it: the image of its pods, how many are ready, and that
// each of these changes was one rollout.
func (s *site) kserves(another bool, image string, ready, rollouts int32) resource.TestCheckFunc {
	return func(*terraform.State) error {
		o, err := s.servedBy().Get(s.t.Context(), "api", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if (o.GetUID() != s.uid) != another {
			return fmt.Errorf("another InferenceService: %v, want %v", !another, another)
		}
		s.uid = o.GetUID()
		d := s.predictor()
		if got := d.Spec.Template.Spec.Containers[0].Image; !strings.HasPrefix(got, image) || d.Status.ReadyReplicas != ready || d.Status.UpdatedReplicas != ready {
			return fmt.Errorf("image %s, %d pods of it and %d ready, want %s and %d", got, d.Status.UpdatedReplicas, d.Status.ReadyReplicas, image, ready)
		}
		// The mark that a state knows it is written after the apply has returned.
		s.Until(s.t, "the state is recorded", func() bool {
			o, err := s.servedBy().Get(s.t.Context(), "api", metav1.GetOptions{})
			return err == nil && kube.Recorded(o, "mlk.dev/recorded")
		})
		if got := s.predictor().Annotations["deployment.kubernetes.io/revision"]; got != fmt.Sprint(rollouts) {
			return fmt.Errorf("revision %s, want %d", got, rollouts)
		}
		return nil
	}
}

// runKServe is run for services of KServe: nothing of them is left.
func (s *site) runKServe(steps ...resource.TestStep) {
	s.t.Helper()
	s.run(steps...)
	if _, err := s.servedBy().Get(s.t.Context(), "api", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		s.t.Errorf("the InferenceService is left behind: %v", err)
	}
}

// A service of KServe, with its real controller and webhooks: made, rolled out in place,
// put right, served by a runtime, made anew, imported, and made a Deployment.
func TestAccEngineKServe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	in := func(n string) tfconfig.TestStepConfigFunc {
		return tfconfig.StaticDirectory("testdata/TestAccEngineKServe/" + n)
	}
	reached := is("url", knownvalue.StringExact("http://api-"+s.Namespace+".example.com"))
	ready := is("ready_replicas", knownvalue.Int32Exact(2))
	s.run(
		resource.TestStep{
			ConfigDirectory:   in("1"),
			ConfigPlanChecks:  plans(plancheck.ResourceActionCreate),
			Check:             s.kserves(true, "server:1", 2, 1),
			ConfigStateChecks: []statecheck.StateCheck{reached, ready, is("current_replicas", knownvalue.Int32Exact(2))},
		},
		resource.TestStep{
			ConfigDirectory:   in("2"),
			ConfigPlanChecks:  plans(plancheck.ResourceActionUpdate),
			Check:             s.kserves(false, "server:2", 2, 2),
			ConfigStateChecks: []statecheck.StateCheck{reached, ready},
		},
		resource.TestStep{ // what others change is put right, and what they add stays
			PreConfig: func() {
				patch := []byte(`{"metadata":{"annotations":{"seen":"yes"}},"spec":{"predictor":{"minReplicas":1,"timeout":60}}}`)
				if _, err := s.servedBy().Patch(t.Context(), "api", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "somebody"}); err != nil {
					t.Fatal(err)
				}
			},
			ConfigDirectory:  in("2"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check: resource.ComposeTestCheckFunc(s.kserves(false, "server:2", 2, 3), func(*terraform.State) error {
				o, err := s.servedBy().Get(t.Context(), "api", metav1.GetOptions{})
				if err != nil {
					return err
				}
				timeout, _, _ := unstructured.NestedInt64(o.Object, "spec", "predictor", "timeout")
				least, _, _ := unstructured.NestedInt64(o.Object, "spec", "predictor", "minReplicas")
				if o.GetAnnotations()["seen"] != "yes" || timeout != 60 || least != 2 {
					return fmt.Errorf("annotations %v, timeout %d, at least %d", o.GetAnnotations(), timeout, least)
				}
				return nil
			}),
		},
		resource.TestStep{ // a runtime of KServe's takes the place of the container, an autoscaler that of the number
			ConfigDirectory:  in("3"),
			ConfigPlanChecks: plans(plancheck.ResourceActionUpdate),
			Check:            s.kserves(false, "kserve/sklearnserver:", 2, 4),
		},
		resource.TestStep{ // deleted by somebody
			PreConfig: func() {
				if err := s.servedBy().Delete(t.Context(), "api", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
				s.Until(t, "its Deployment is gone", func() bool {
					_, err := s.Kube.AppsV1().Deployments(s.Namespace).Get(t.Context(), "api-predictor", metav1.GetOptions{})
					return apierrors.IsNotFound(err)
				})
			},
			ConfigDirectory:  in("3"),
			ConfigPlanChecks: plans(plancheck.ResourceActionCreate),
			Check:            s.kserves(true, "kserve/sklearnserver:", 1, 1),
		},
		resource.TestStep{
			ConfigDirectory:         in("3"),
			ResourceName:            address,
			ImportState:             true,
			ImportStateId:           s.Namespace + "/api",
			ImportStateVerify:       true,
			ImportStateVerifyIgnore: []string{"force_conflicts", "wait_for", "timeouts"},
		},
		resource.TestStep{ // of another engine it is another object
			ConfigDirectory:  in("4"),
			ConfigPlanChecks: plans(plancheck.ResourceActionDestroyBeforeCreate),
			Check:            s.serves(true, "server:2", 1, "api"),
		},
	)
}

// What KServe cannot serve, and what its pods die of, is told with its cause.
func TestAccEngineKServeFails(t *testing.T) {
	t.Parallel()
	text := tfconfig.StringVariable
	format := func(name, runtime string) tfconfig.Variable {
		of := map[string]tfconfig.Variable{"model_format": text(name)}
		if runtime != "" {
			of["runtime"] = text(runtime)
		}
		return tfconfig.MapVariable(of)
	}
	for name, c := range map[string]struct {
		variables tfconfig.Variables
		want      []string
	}{
		"NoSuchRuntime": {tfconfig.Variables{"kserve": format("sklearn", "none")}, []string{`The serving runtime "none" does not exist`, "(kserve.runtime)", "kserve-huggingfaceserver"}},
		"NoSuchFormat":  {tfconfig.Variables{"kserve": format("none", "")}, []string{`No serving runtime by itself takes models of format "none"`, "(kserve.model_format)", "What is taken: ", "sklearn"}},
		"WrongRuntime":  {tfconfig.Variables{"kserve": format("sklearn", "kserve-tritonserver")}, []string{`The serving runtime "kserve-tritonserver" does not take models of format "sklearn"`, "(kserve.model_format)", "triton"}},
		"ImagePull":     {tfconfig.Variables{"image": text("server:1"), "simulate": text("imagepull")}, []string{"image of container kserve-container does not exist", "server:1"}},
		"CrashLoop":     {tfconfig.Variables{"image": text("server:1"), "simulate": text("crashloop")}, []string{"container kserve-container exited"}},
		"TooManyGPUs":   {tfconfig.Variables{"image": text("server:1"), "gpus": tfconfig.IntegerVariable(16)}, []string{"no node has 16 GPUs", "(gpu.count)"}},
		"Quota":         {tfconfig.Variables{"image": text("server:1"), "gpus": tfconfig.IntegerVariable(2)}, []string{"one pod asks for more than quota gpus allows", "(gpu.count)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if name == "Quota" {
				s.quota("requests.nvidia.com/gpu", "1")
			}
			v := s.Variables()
			for k, value := range c.variables {
				v[k] = value
			}
			began := time.Now()
			s.runKServe(resource.TestStep{ConfigDirectory: tfconfig.StaticDirectory("testdata/TestAccEngineKServeFails"), ConfigVariables: v, ExpectError: testkit.Words(c.want...)})
			if took := time.Since(began); took > 3*time.Minute {
				t.Errorf("it took %s to be told", took)
			}
		})
	}
}

// InferenceServices that others have made become resources without loss, and their
// pods stay until something is changed.
func TestAccEngineKServeImport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	raw, err := os.ReadFile("testdata/TestAccEngineKServeImport/objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]any{}
	for _, text := range strings.Split(string(raw), "\n---\n") {
		theirs := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &theirs.Object); err != nil {
			t.Fatal(err)
		}
		made, err := s.servedBy().Create(t.Context(), theirs, metav1.CreateOptions{FieldManager: "kubectl-create"})
		if err != nil {
			t.Fatal(err)
		}
		before[made.GetName()] = made.Object["spec"]
	}
	cli := testkit.NewCLI(t, "testdata/TestAccEngineKServeImport", "namespace", s.Namespace)
	if out := cli.Plan("-generate-config-out=generated.tf"); out.Code == 1 || !out.Says("3 to import, 0 to add, 0 to change, 0 to destroy") {
		t.Fatal(out)
	}
	generated, err := os.ReadFile(cli.Dir + "/generated.tf")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`engine                           = "kserve"`, `source`, "hf://meta-llama/Llama-3.1-8B-Instruct@main", "cpu_percent", "kserve-huggingfaceserver", "transformer"} {
		if !strings.Contains(string(generated), strings.Fields(want)[0]) || !strings.Contains(string(generated), strings.Trim(strings.Fields(want)[len(strings.Fields(want))-1], `"`)) {
			t.Errorf("the generated configuration does not say %s:\n%s", want, generated)
		}
	}
	cli.MustApply()
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the plan after the import: %s", out)
	}
	cli.Write("generated.tf", []byte(strings.ReplaceAll(string(generated), `"retrieval"`, `"lookup"`)))
	cli.MustApply()
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the plan after the change: %s", out)
	}
	for name, spec := range before {
		o, err := s.servedBy().Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(spec, o.Object["spec"]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if out := cli.Destroy(); out.Code != 0 {
		t.Errorf("destroy: %s", out)
	}
}
