package podspec

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// amountsChecks refuses text that is no quantity among the values of a map: the
// framework asks the type of an attribute only, not that of its elements.
type amountsChecks struct{ described }

// ValidateMap checks the values that are known.
func (amountsChecks) ValidateMap(_ context.Context, req validator.MapRequest, resp *validator.MapResponse) {
	for _, name := range sortedKeys(req.ConfigValue.Elements()) {
		s, ok := known(req.ConfigValue.Elements()[name])
		if !ok {
			continue
		}
		q, err := resource.ParseQuantity(s)
		switch {
		case err != nil:
			resp.Diagnostics.Append(diags.Message{
				Summary: fmt.Sprintf("%s is not a Kubernetes quantity", shown(s)),
				Why:     "A quantity is a number with an optional suffix: 16Gi, 500m, 2, 1.5, 10M. Mi, Gi and Ti are powers of 1024; M, G and T are powers of 1000.",
				At:      req.Path.AtMapKey(name),
			}.Error())
		case q.Sign() < 0:
			resp.Diagnostics.Append(diags.Message{Summary: fmt.Sprintf("%s is negative", shown(s)), At: req.Path.AtMapKey(name)}.Error())
		case strings.Contains(name, "/") && q.MilliValue()%1000 != 0:
			resp.Diagnostics.Append(diags.Message{
				Summary: fmt.Sprintf("%s of %s is not a whole number", shown(s), name), Why: "Devices cannot be divided.", At: req.Path.AtMapKey(name),
			}.Error())
		}
	}
}

// resourceChecks compares requests with limits.
type resourceChecks struct{ described }

// ValidateObject compares the amounts that are known.
func (resourceChecks) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	requests, limits := quantities(req.ConfigValue.Attributes()["requests"]), quantities(req.ConfigValue.Attributes()["limits"])
	for _, name := range sortedKeys(requests) {
		request, limit := requests[name], limits[name]
		exact := strings.Contains(name, "/") || strings.HasPrefix(name, "hugepages-")
		at := req.Path.AtName("requests").AtMapKey(name)
		switch _, limited := limits[name]; {
		case limited && exact && request.Cmp(limit) != 0:
			resp.Diagnostics.Append(diags.Message{
				Summary: fmt.Sprintf("Request and limit of %s differ", name), Happened: fmt.Sprintf("The request is %s, the limit %s.", request.String(), limit.String()),
				Why: "Devices and huge pages are not shared: request and limit must be equal.", Do: "Leave the request out.", At: at,
			}.Error())
		case limited && request.Cmp(limit) > 0:
			resp.Diagnostics.Append(diags.Message{
				Summary: fmt.Sprintf("The request of %s is above its limit", name), Happened: fmt.Sprintf("The request is %s, the limit %s.", request.String(), limit.String()), At: at,
			}.Error())
		case !limited && exact && isSettled(req.ConfigValue.Attributes()["limits"]):
			resp.Diagnostics.Append(diags.Message{
				Summary: fmt.Sprintf("%s has a request and no limit", name),
				Why:     "Devices and huge pages are not shared: request and limit must be equal.", Do: "Put it into limits.", At: at,
			}.Error())
		}
	}
}

// isSettled reports whether a map is known, and all its elements.
func isSettled(v attr.Value) bool {
	m, ok := v.(types.Map)
	if !ok || m.IsUnknown() {
		return false
	}
	for _, e := range m.Elements() {
		if e.IsUnknown() {
			return false
		}
	}
	return true
}

// quantities returns the amounts of a map that are known.
func quantities(v attr.Value) map[string]resource.Quantity {
	m, ok := v.(types.Map)
	if !ok || !isSet(m) {
		return nil
	}
	out := map[string]resource.Quantity{}
	for name, e := range m.Elements() {
		s, ok := known(e)
		if !ok {
			continue
		}
		if q, err := resource.ParseQuantity(s); err == nil {
			out[name] = q
		}
	}
	return out
}

// gpuChecks looks at what belongs together in gpu.
type gpuChecks struct{ described }

// ValidateObject checks what is known.
func (gpuChecks) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	a := req.ConfigValue.Attributes()
	name, chosen := known(a["resource"])
	if !chosen {
		if a["resource"] != nil && a["resource"].IsUnknown() {
			return
		}
		name = nvidiaGPU
	}
	for _, other := range []string{"mig_profile", "shared"} {
		if chosen && isSet(a[other]) && !a[other].Equal(types.BoolValue(false)) {
			resp.Diagnostics.Append(diags.Message{
				Summary: fmt.Sprintf("gpu.resource and gpu.%s exclude each other", other),
				Why:     "Both say which resource is asked for.", Do: "Keep one of them.", At: req.Path.AtName(other),
			}.Error())
		}
	}
	v := vendorOf(name)
	for _, c := range []struct {
		attribute, how string
		can            bool
	}{{"products", "by product", v.product != ""}, {"min_memory", "by memory", v.facts}, {"min_compute_capability", "by compute capability", v.facts}} {
		if isSet(a[c.attribute]) && !c.can {
			g := GPU{Resource: types.StringValue(name)}
			resp.Diagnostics.Append(g.unknown(c.attribute, c.how))
		}
	}
}

// volumeChecks looks at what belongs together in a volume.
type volumeChecks struct{ described }

// ValidateObject checks what is known.
func (volumeChecks) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	a := req.ConfigValue.Attributes()
	clash := func(attribute, other, do string) {
		resp.Diagnostics.Append(diags.Message{
			Summary: fmt.Sprintf("%s and %s exclude each other", attribute, other), Do: do, At: req.Path.AtName(attribute),
		}.Error())
	}
	lonely := func(attribute, needs, do string) {
		resp.Diagnostics.Append(diags.Message{
			Summary: fmt.Sprintf("%s needs %s", attribute, needs), Do: do, At: req.Path.AtName(attribute),
		}.Error())
	}
	if isSet(a["mount_path"]) && isSet(a["mounts"]) {
		clash("mounts", "mount_path", "mount_path is short for one entry in mounts: say all of them there.")
	}
	if isNull(a["mount_path"]) {
		for _, short := range []string{"read_only", "sub_path"} {
			if isSet(a[short]) {
				lonely(short, "mount_path", "In mounts, each entry has its own "+short+".")
			}
		}
	}
	if isNull(a["claim"]) && isSet(a["claim_read_only"]) {
		lonely("claim_read_only", "claim", "For other sources use read_only of the mount.")
	}
	if isSet(a["device_path"]) && (isSet(a["mount_path"]) || isSet(a["mounts"])) {
		clash("device_path", "mounts", "A claim is either a file system, which is mounted, or a block device.")
	}
}

// isNull reports whether an attribute is known to be null.
func isNull(v attr.Value) bool { return v == nil || v.IsNull() }

// tolerationChecks are the rules the server has for tolerations.
type tolerationChecks struct{ described }

// ValidateObject checks what is known.
func (tolerationChecks) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	a := req.ConfigValue.Attributes()
	operator, _ := known(a["operator"])
	effect, _ := known(a["effect"])
	settled := func(name string) bool { return a[name] != nil && !a[name].IsUnknown() }
	var problem, at string
	switch {
	case isNull(a["key"]) && settled("operator") && operator != "Exists":
		problem, at = "A toleration without a key needs operator \"Exists\"", "operator"
	case operator == "Exists" && isSet(a["value"]):
		problem, at = "Operator \"Exists\" takes no value", "value"
	case isSet(a["seconds"]) && settled("effect") && effect != "NoExecute":
		problem, at = "seconds needs effect \"NoExecute\"", "seconds"
	default:
		return
	}
	resp.Diagnostics.Append(diags.Message{Summary: problem, At: req.Path.AtName(at)}.Error())
}

// expressionChecks are the rules the server has for requirements on labels.
type expressionChecks struct{ described }

// ValidateObject checks what is known.
func (expressionChecks) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	a := req.ConfigValue.Attributes()
	operator, ok := known(a["operator"])
	values, isList := a["values"].(types.List)
	if !ok || !isList || values.IsUnknown() {
		return
	}
	n := len(values.Elements())
	var problem string
	switch operator {
	case "In", "NotIn":
		if n == 0 {
			problem = "needs values"
		}
	case "Exists", "DoesNotExist":
		if n > 0 {
			problem = "takes no values"
		}
	case "Gt", "Lt":
		if n != 1 {
			problem = "needs exactly one value"
		} else if s, ok := known(values.Elements()[0]); ok {
			if _, err := strconv.ParseInt(s, 10, 64); err != nil {
				problem = "compares whole numbers, and " + shown(s) + " is none"
			}
		}
	}
	if problem != "" {
		resp.Diagnostics.Append(diags.Message{Summary: fmt.Sprintf("Operator %q %s", operator, problem), At: req.Path.AtName("values")}.Error())
	}
}

// probeChecks are the rules the server has for the kinds of probes.
type probeChecks struct {
	described
	readiness bool
}

// ValidateObject checks what is known.
func (p probeChecks) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	a := req.ConfigValue.Attributes()
	if n, ok := a["success_threshold"].(types.Int32); ok && isSet(n) && !p.readiness && n.ValueInt32() != 1 {
		resp.Diagnostics.Append(diags.Message{
			Summary: "success_threshold of this probe must be 1", Why: "Only readiness probes may need several successes.", At: req.Path.AtName("success_threshold"),
		}.Error())
	}
	if p.readiness && isSet(a["termination_grace_period_seconds"]) {
		resp.Diagnostics.Append(diags.Message{
			Summary: "A readiness probe has no grace period", Why: "It never stops the container.", At: req.Path.AtName("termination_grace_period_seconds"),
		}.Error())
	}
}

// profileChecks are the rules the server has for seccomp and AppArmor profiles.
type profileChecks struct{ described }

// ValidateObject checks what is known.
func (profileChecks) ValidateObject(_ context.Context, req validator.ObjectRequest, resp *validator.ObjectResponse) {
	a := req.ConfigValue.Attributes()
	kind, ok := known(a["type"])
	if !ok {
		return
	}
	if kind == "Localhost" && isNull(a["localhost_profile"]) || kind != "Localhost" && isSet(a["localhost_profile"]) {
		resp.Diagnostics.Append(diags.Message{
			Summary: "localhost_profile and type \"Localhost\" belong together", At: req.Path.AtName("localhost_profile"),
		}.Error())
	}
}
