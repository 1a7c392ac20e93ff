package podspec

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// texts returns plain strings; nil for null.
func texts(in []types.String) []string {
	if in == nil {
		return nil
	}
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = s.ValueString()
	}
	return out
}

// amount parses a quantity; nil when v is null. Text that is no quantity was
// refused when the configuration was read, so it comes from a broken state.
func amount(v quantity.Value) (*resource.Quantity, diag.Diagnostics) {
	if v.IsNull() {
		return nil, nil
	}
	q, err := resource.ParseQuantity(v.ValueString())
	if err != nil {
		return nil, diag.Diagnostics{diags.Message{
			Summary: fmt.Sprintf("%q is not a Kubernetes quantity", v.ValueString()), Why: err.Error(),
		}.Error()}
	}
	return &q, nil
}

// mode parses a file mode written in octal, such as "0644"; nil when v is null
// or no mode, which the schema refuses.
func mode(v types.String) *int32 {
	if v.IsNull() {
		return nil
	}
	n, err := strconv.ParseInt(v.ValueString(), 8, 32)
	if err != nil {
		return nil
	}
	out := int32(n)
	return &out
}

// root returns the path of a top-level attribute or of one below it.
func root(steps ...string) path.Path {
	p := path.Empty()
	for _, s := range steps {
		p = p.AtName(s)
	}
	return p
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
