package lifecycle

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Examined is every resource made by New, as the laws of testkit look at it.
type Examined interface {
	resource.Resource
	// FieldsOf says, for the model of a state, which attribute made which field.
	FieldsOf(ctx context.Context, s tfsdk.State) (diags.Fields, diag.Diagnostics)
	// Levels are the levels wait_for accepts.
	Levels() []string
}

var _ Examined = &Resource[Namespaced, *Namespaced]{}

// FieldsOf says which attribute made which field of the objects.
func (r *Resource[M, P]) FieldsOf(ctx context.Context, s tfsdk.State) (diags.Fields, diag.Diagnostics) {
	m := new(M)
	ds := s.Get(ctx, m)
	if ds.HasError() {
		return diags.Fields{}, ds
	}
	return r.fields(P(m)), ds
}

// Levels are the levels wait_for accepts, the default first.
func (r *Resource[M, P]) Levels() []string { return r.def.WaitFor }
