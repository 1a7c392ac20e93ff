package devices_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/devices"
)

func TestTrouble(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		`device.driver == "gpu.nvidia.com"`:                                                  {},
		`device.attributes["gpu.nvidia.com"].productName.contains("H100")`:                   {},
		`device.capacity["gpu.nvidia.com"].memory.compareTo(quantity("40Gi")) >= 0`:          {},
		`device.attributes["gpu.nvidia.com"].driverVersion.isGreaterThan(semver("550.0.0"))`: {},
		`devic.driver == "x"`:                                {"The CEL expression is wrong at line 1, column 1", "undeclared reference to 'devic'"},
		"device.driver == \"x\" &&\n  device.drivr == \"x\"": {"The CEL expression is wrong at line 2, column 9", "undefined field 'drivr'"},
		`device.driver = "x"`:                                {"The CEL expression is wrong at line 1, column 15", "token recognition error"},
		`device.driver`:                                      {"The CEL expression cannot be used", ""},
		strings.Repeat("a", 11*1024):                         {"The CEL expression is too long", ""},
		`device.attributes.all(a, device.attributes.all(b, device.attributes.all(c, device.attributes.all(d, a + b + c + d != "x"))))`: {"The CEL expression may take too long", ""},
	} {
		m := devices.Trouble(text)
		if d := cmp.Diff(want[0], m.Summary); d != "" || !strings.Contains(m.Happened, want[1]) {
			t.Errorf("%.60s: %s\nhappened %q, want %q; why %q", text, d, m.Happened, want[1], m.Why)
		}
	}
}
