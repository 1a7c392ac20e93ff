package shardedservice_test

import (
	"flag"
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/resources/shardedservice"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files")

func TestDesired(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, shardedservice.New, shardedservice.Definition().Desired, *update)
}
