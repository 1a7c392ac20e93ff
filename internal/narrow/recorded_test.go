package narrow

import (
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

func root() path.Path { return path.Root("volumes") }

// with is an object or map with one part replaced.
func with(t *testing.T, v tftypes.Value, name string, part tftypes.Value) tftypes.Value {
	t.Helper()
	var have map[string]tftypes.Value
	if err := v.As(&have); err != nil {
		t.Fatal(err)
	}
	out := map[string]tftypes.Value{}
	for k, e := range have {
		out[k] = e
	}
	out[name] = part
	return tftypes.NewValue(v.Type(), out)
}

// TestRecordedState: state is read whatever was narrow when it was written, and
// whatever version wrote it; attributes that are new since are null.
func TestRecordedState(t *testing.T) {
	t.Parallel()
	f := testForm()
	const dynamic = `{"type":["object",{"data":["object",{"path":"string","mode":"number"}]}],"value":{"data":{"path":"/data","mode":420}}}`
	short := object(map[string]tftypes.Value{"data": object(map[string]tftypes.Value{"path": str("/data"), "mode": number(420)})})
	affinity := tuple(object(map[string]tftypes.Value{"term_a": str("x")}))
	for name, c := range map[string]struct {
		version int64
		state   string
		inner   bool
	}{
		"as it is written now":  {1, `{"name":"t","patch":{"type":["object",{"a":"string"}],"value":{"a":"b"}},"volumes":` + dynamic + `,"scheduling":{"node":"n","affinity":{"type":["tuple",[["object",{"term_a":"string"}]]],"value":[{"term_a":"x"}]}}}`, false},
		"typed then":            {1, `{"name":"t","patch":{"type":["object",{"a":"string"}],"value":{"a":"b"}},"volumes":{"data":{"path":"/data","mode":420,"pad_a":null}},"scheduling":{"node":"n","affinity":[{"term_a":"x","term_b":null}]}}`, true},
		"dynamic as a whole":    {1, `{"name":"t","patch":{"type":["object",{"a":"string"}],"value":{"a":"b"}},"volumes":` + dynamic + `,"scheduling":{"type":["object",{"node":"string","affinity":["tuple",[["object",{"term_a":"string"}]]]}],"value":{"node":"n","affinity":[{"term_a":"x"}]}}}`, true},
		"of an earlier version": {0, `{"name":"t","patch":{"type":["object",{"a":"string"}],"value":{"a":"b"}},"volumes":` + dynamic + `,"scheduling":{"node":"n","affinity":{"type":["tuple",[["object",{"term_a":"string"}]]],"value":[{"term_a":"x"}]}},"gone":1}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resp, err := Serve(&inner{}).UpgradeResourceState(t.Context(), &tfprotov6.UpgradeResourceStateRequest{
				TypeName: "mlk_thing", Version: c.version, RawState: &tfprotov6.RawState{JSON: []byte(c.state)},
			})
			if err != nil {
				t.Fatal(err)
			}
			v := offWire(t, f.narrow, resp.UpgradedState)
			if got := attribute(t, v, "volumes"); !got.Equal(short) {
				t.Errorf("volumes are %s, want %s", got, short)
			}
			scheduling := attribute(t, v, "scheduling")
			if got := attribute(t, scheduling, "affinity"); !got.Equal(affinity) || !attribute(t, scheduling, "node").Equal(str("n")) {
				t.Errorf("scheduling is %s, want node n and affinity %s", scheduling, affinity)
			}
			if got, want := attribute(t, v, "patch"), object(map[string]tftypes.Value{"a": str("b")}); !got.Equal(want) {
				t.Errorf("patch, which is dynamic anyway, is %s, want %s", got, want)
			}
			if !attribute(t, v, "gpu").IsNull() {
				t.Error("an attribute that was not recorded is not null")
			}
		})
	}
}
