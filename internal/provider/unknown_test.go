package provider_test

import (
	"sync"
	"testing"

	"github.com/mlkube/terraform-provider-mlk/internal/provider"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/laws"
)

// TestUnknownIsHeldAgainstNobody validates every configuration of every registered
// resource while each of its attributes is not known yet.
func TestUnknownIsHeldAgainstNobody(t *testing.T) {
	t.Parallel()
	var tried sync.Map
	for _, newResource := range provider.Resources() {
		s := laws.Read(t, root, newResource).Least(t)
		t.Run(s.Type, func(t *testing.T) {
			t.Parallel()
			core := testkit.NewCore(t, provider.New("test")(), map[string]any{}, s.Type)
			s.Unknown(t, &tried, func(c laws.Config) string { return core.Validate(t.Context(), c).Errors() })
		})
	}
}
