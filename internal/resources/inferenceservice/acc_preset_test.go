package inferenceservice_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/knownvalue"
	"github.com/hashicorp/terraform-plugin-testing/plancheck"
	"github.com/hashicorp/terraform-plugin-testing/statecheck"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"github.com/hashicorp/terraform-plugin-testing/tfjsonpath"
	corev1 "k8s.io/api/core/v1"
)

// plansPreset expects a plan to say what an entry of preset will be.
func plansPreset(action plancheck.ResourceActionType, key string, want knownvalue.Check) resource.ConfigPlanChecks {
	return resource.ConfigPlanChecks{PreApply: []plancheck.PlanCheck{
		plancheck.ExpectResourceAction(address, action),
		plancheck.ExpectKnownValue(address, tfjsonpath.New("preset").AtMapKey(key), want),
	}}
}

// runs checks the main container.
func (s *site) runs(what func(c *corev1.Container) string, want string) resource.TestCheckFunc {
	return func(*terraform.State) error {
		if got := what(&s.deployment().Spec.Template.Spec.Containers[0]); got != want {
			return fmt.Errorf("the container has %q, want %q", got, want)
		}
		return nil
	}
}

func arguments(c *corev1.Container) string { return strings.Join(append(c.Command, c.Args...), " ") }

func alive(c *corev1.Container) string {
	switch p := c.LivenessProbe; {
	case p == nil:
		return ""
	case p.HTTPGet != nil:
		return p.HTTPGet.Path
	}
	return c.LivenessProbe.TCPSocket.Port.String()
}

// A preset is known at plan, put right where somebody changed it, and gives way
// part by part.
func TestAccPreset(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const told = "vllm serve org/name --revision=v1 --tensor-parallel-size=2"
	s.run(
		resource.TestStep{
			ConfigPlanChecks:  plansPreset(plancheck.ResourceActionCreate, "liveness_probe", knownvalue.StringExact("{ http_get = { path = /health, port = 8000 } }")),
			Check:             resource.ComposeTestCheckFunc(s.serves(true, "model:1", 1, "api"), s.runs(arguments, told), s.runs(alive, "/health")),
			ConfigStateChecks: []statecheck.StateCheck{is("url", knownvalue.StringExact("http://api."+s.Namespace+".svc:8000"))},
		},
		resource.TestStep{
			PreConfig: func() {
				s.edit(`{"spec":{"template":{"spec":{"containers":[{"name":"main","livenessProbe":{"httpGet":{"path":"/other"}}}]}}}}`)
			},
			ConfigPlanChecks: plansPreset(plancheck.ResourceActionUpdate, "liveness_probe", knownvalue.StringExact("{ http_get = { path = /health, port = 8000 } }")),
			Check:            resource.ComposeTestCheckFunc(s.serves(false, "model:1", 1, "api"), s.runs(alive, "/health")),
		},
		resource.TestStep{
			ConfigPlanChecks: plansPreset(plancheck.ResourceActionUpdate, "args", knownvalue.StringExact("[org/name, --revision=v1, --tensor-parallel-size=2]")),
			Check: resource.ComposeTestCheckFunc(s.serves(false, "model:1", 1, "api"),
				s.runs(arguments, told+" --max-model-len=8192"), s.runs(alive, "http")),
		},
		resource.TestStep{ // a model that no server loads is loaded before it starts
			ConfigPlanChecks: plansPreset(plancheck.ResourceActionUpdate, "init_containers.load-model",
				knownvalue.StringExact("{ args = [hf://org/name, /models], image = kserve/storage-initializer:v0.20.0, name = load-model }")),
			Check: resource.ComposeTestCheckFunc(s.serves(false, "model:1", 1, "api"), s.runs(arguments, ""), s.runs(alive, "")),
		},
	)
}
