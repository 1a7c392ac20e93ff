package gpustack_test

import (
	"flag"
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/resources/gpustack"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files")

func TestDesired(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, gpustack.New, gpustack.Definition().Desired, *update)
}
