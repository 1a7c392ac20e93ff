package lifecycle

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Examined is every resource made by New, as the laws of testkit look at it.
type Examined interface {
	resource.Resource
	// Examine opens a state to questions that need no cluster.
	Examine(ctx context.Context, s schema.Schema, state tftypes.Value) (Examination, diag.Diagnostics)
	// Levels are the levels wait_for accepts, the default first.
	Levels() []string
}

// Examination is what a resource does with one state: pure functions of values.
type Examination struct {
	// Objects are the objects the state asks for, without a claim, made anew by
	// each call.
	Objects func() ([]*kube.Object, diag.Diagnostics)
	// Look is the state after drift was looked for in the live objects.
	Look func(live kube.Live) (tftypes.Value, diag.Diagnostics)
	// Key is the key of an object in Look.
	Key func(kind, name string) string
	// MadeBy are the attributes that made a field, or what is below it. The
	// first segment is the kind.
	MadeBy func(segments []string) []path.Path
}

var _ Examined = &Resource[Namespaced, *Namespaced]{}

// Examine opens a state to questions that need no cluster.
func (r *Resource[M, P]) Examine(ctx context.Context, s schema.Schema, state tftypes.Value) (Examination, diag.Diagnostics) {
	m, ds := decode[M](ctx, s, state)
	if ds.HasError() {
		return Examination{}, ds
	}
	fields := r.fields(P(m))
	return Examination{
		Objects: func() ([]*kube.Object, diag.Diagnostics) {
			want, ds := r.render(P(m), "")
			var out []*kube.Object
			for _, w := range want {
				out = append(out, w.obj)
			}
			return out, ds
		},
		Look: func(live kube.Live) (tftypes.Value, diag.Diagnostics) {
			return r.observe(ctx, s, state, P(m), Seen{Live: live, Now: r.clock.Now()})
		},
		Key: func(kind, name string) string {
			for _, k := range r.def.Owns {
				if k.Kind == kind {
					return r.refOf(r.objectName(P(m)), k, "", name).Key()
				}
			}
			return kind
		},
		MadeBy: func(segments []string) []path.Path {
			if below := fields.FindBelow(segments); len(below) > 0 {
				return below
			}
			if one, ok := fields.Find(segments); ok {
				return []path.Path{one}
			}
			return nil
		},
	}, ds
}

// Levels are the levels wait_for accepts.
func (r *Resource[M, P]) Levels() []string { return r.def.WaitFor }
