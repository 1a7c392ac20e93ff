package devices_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/devices"
)

// TestRequestTroubles holds against requests what they say, and nothing that is not
// known yet: it may turn out to be null.
func TestRequestTroubles(t *testing.T) {
	t.Parallel()
	s := types.StringValue
	for name, c := range map[string]struct {
		request devices.Request
		want    []string
	}{
		"a device":         {request: devices.Request{Name: s("gpu"), DeviceClass: s("gpu.nvidia.com")}},
		"nothing":          {request: devices.Request{Name: s("gpu")}, want: []string{`Request "gpu" does not say which devices it is for`}},
		"both":             {request: devices.Request{Name: s("gpu"), DeviceClass: s("c"), FirstAvailable: []devices.Subrequest{{Name: s("a")}}}, want: []string{`Request "gpu" asks for a device and for alternatives`}},
		"both, perhaps":    {request: devices.Request{Name: s("gpu"), DeviceClass: types.StringUnknown(), FirstAvailable: []devices.Subrequest{{Name: s("a")}}}},
		"class not known":  {request: devices.Request{Name: s("gpu"), DeviceClass: types.StringUnknown()}},
		"all and two":      {request: devices.Request{Name: s("gpu"), DeviceClass: s("c"), AllocationMode: s("All"), Count: types.Int64Value(2)}, want: []string{"All devices and a number of them cannot both be asked for"}},
		"all and perhaps":  {request: devices.Request{Name: s("gpu"), DeviceClass: s("c"), AllocationMode: s("All"), Count: types.Int64Unknown()}},
		"exists and value": {request: devices.Request{Name: s("gpu"), DeviceClass: s("c"), Tolerations: []devices.Toleration{{Operator: s("Exists"), Value: s("v")}}}, want: []string{"With operator Exists the value of a taint does not matter"}},
		"exists, perhaps":  {request: devices.Request{Name: s("gpu"), DeviceClass: s("c"), Tolerations: []devices.Toleration{{Operator: s("Exists"), Value: types.StringUnknown()}}}},
		"no key":           {request: devices.Request{Name: s("gpu"), DeviceClass: s("c"), Tolerations: []devices.Toleration{{}}}, want: []string{"A toleration without a key is for every taint"}},
		"same name below": {
			request: devices.Request{Name: s("gpu"), FirstAvailable: []devices.Subrequest{{Name: s("a")}, {Name: s("a")}}},
			want:    []string{`Two alternatives of request "gpu" are called "a"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, m := range devices.RequestTroubles(path.Root("requests"), []devices.Request{c.request}) {
				got = append(got, m.Summary)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
