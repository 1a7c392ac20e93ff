package resourceclaimtemplate_test

import (
	"flag"
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/resources/resourceclaimtemplate"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files")

func TestDesired(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, resourceclaimtemplate.New, resourceclaimtemplate.Definition().Desired, *update)
}
