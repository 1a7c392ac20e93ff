package testkit

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/config"
	"github.com/hashicorp/terraform-plugin-testing/helper/resource"
	"github.com/hashicorp/terraform-plugin-testing/terraform"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Run runs the steps in the test's namespace. A step without a configuration
// has that of its number under testdata; each but those that say otherwise is
// followed by a check that the plan is empty. atEnd looks at what the final
// destroy left.
func (a *Acceptance) Run(t *testing.T, providers map[string]func() (tfprotov6.ProviderServer, error), atEnd func() error, steps ...resource.TestStep) {
	t.Helper()
	for i := range steps {
		if steps[i].ConfigDirectory == nil && !steps[i].ImportState {
			steps[i].ConfigDirectory = config.TestStepDirectory()
		}
		if steps[i].ConfigVariables == nil {
			steps[i].ConfigVariables = a.Variables()
		}
	}
	resource.Test(t, resource.TestCase{
		ProtoV6ProviderFactories: providers,
		CheckDestroy:             func(*terraform.State) error { return atEnd() },
		Steps:                    steps,
	})
}

// Until waits for what only the cluster does.
func (a *Acceptance) Until(t *testing.T, what string, done func() bool) {
	t.Helper()
	const often, long = 200 * time.Millisecond, time.Minute
	err := wait.PollUntilContextTimeout(t.Context(), often, long, true, func(context.Context) (bool, error) { return done(), nil })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// Words matches a text that has all of these, in this order, wherever Terraform
// broke its lines.
func Words(parts ...string) *regexp.Regexp {
	out := make([]string, 0, len(parts))
	for _, p := range parts {
		words := strings.Fields(p)
		for i, w := range words {
			words[i] = regexp.QuoteMeta(w)
		}
		out = append(out, strings.Join(words, `[\s│]+`))
	}
	return regexp.MustCompile("(?s)" + strings.Join(out, ".*"))
}
