package distributed

import (
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// besidePods are the attributes that change nothing of the Job.
var besidePods = []string{"headless_service", "gang_size", "gang_queue"}

// Frozen returns the attributes of a gang whose change the server refuses on a
// Job, without what stands for a default: two gangs with the same are the same
// run. Nil for no gang; unknown attributes are left out.
func Frozen(v attr.Value) map[string]attr.Value {
	o, ok := v.(types.Object)
	if !ok || o.IsNull() || o.IsUnknown() {
		return nil
	}
	m := Model{}
	at := o.Attributes()
	m.Launcher, _ = at["launcher"].(types.String)
	m.MinNodes, _ = at["min_nodes"].(types.Int32)
	out := map[string]attr.Value{}
	for name, v := range at {
		switch {
		case v.IsNull(), v.IsUnknown(), slices.Contains(besidePods, name), name == "nodes" && m.Resizable():
			continue
		}
		out[name] = v
	}
	success := successAll
	if m.launcher() == LauncherMPI {
		success = successLeader
	}
	for name, usual := range map[string]attr.Value{
		"launcher": types.StringValue(LauncherNone), "success": types.StringValue(success), "restart": types.StringValue(restartPod),
		"port": types.Int32Value(defaultPort(m.launcher())),
	} {
		if out[name] != nil && out[name].Equal(usual) {
			delete(out, name)
		}
	}
	return out
}
