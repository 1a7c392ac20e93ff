package diags_test

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

func TestOfValidators(t *testing.T) {
	t.Parallel()
	launcher := tftypes.NewAttributePath().WithAttributeName("distributed").WithAttributeName("launcher")
	ds := []*tfprotov6.Diagnostic{
		{Summary: "Invalid Attribute Value Match", Detail: "Attribute distributed.launcher value must be one of: [], got: x", Attribute: launcher},
		{Summary: `"b" is not an absolute path`, Detail: "It must begin with /.", Attribute: tftypes.NewAttributePath().WithAttributeName("volumes")},
		{Summary: "Something is missing"},
	}
	diags.OfValidators(ds)
	for i, want := range []struct{ summary, at string }{
		{"Wrong value of distributed.launcher", `AttributeName("distributed")`}, {`"b" is not an absolute path`, `AttributeName("volumes")`}, {"Something is missing", ""},
	} {
		if ds[i].Summary != want.summary || ds[i].Attribute.String() != want.at {
			t.Errorf("%q at %q, want %q at %q", ds[i].Summary, ds[i].Attribute, want.summary, want.at)
		}
	}
}
