package devices

import (
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// RequestTroubles are what requests say that cannot be.
func RequestTroubles(root path.Path, in []Request) []diags.Message {
	var out []diags.Message
	taken := map[string]bool{}
	for i, r := range in {
		at := root.AtListIndex(i)
		name := r.Name.ValueString()
		if taken[name] && !r.Name.IsUnknown() {
			out = append(out, diags.Message{Summary: fmt.Sprintf("Two requests are called %q", name), Do: "Give each a name of its own.", At: at.AtName("name")})
		}
		taken[name] = true
		alternatives := len(r.FirstAvailable) > 0
		itself := diags.Given(r.DeviceClass) || r.Selectors != nil || diags.Given(r.AllocationMode) || diags.Given(r.Count) || diags.Given(r.AdminAccess) || r.Tolerations != nil || r.Capacity != nil
		switch {
		case alternatives && itself:
			out = append(out, diags.Message{
				Summary:  fmt.Sprintf("Request %q asks for a device and for alternatives", name),
				Happened: "With first_available the alternatives say what is asked for; the request itself has only a name.",
				Do:       "Move device_class and the rest into first_available, or remove first_available.", At: at.AtName("first_available"),
			})
		case !alternatives && r.DeviceClass.IsNull():
			out = append(out, diags.Message{
				Summary: fmt.Sprintf("Request %q does not say which devices it is for", name),
				Do:      "Set device_class, or first_available with several.", At: at.AtName("name"),
			})
		}
		out = append(out, amountTroubles(at, r.AllocationMode, r.Count)...)
		out = append(out, tolerationTroubles(at, r.Tolerations)...)
		below := map[string]bool{}
		for j, s := range r.FirstAvailable {
			sub := at.AtName("first_available").AtListIndex(j)
			if n := s.Name.ValueString(); below[n] && !s.Name.IsUnknown() {
				out = append(out, diags.Message{Summary: fmt.Sprintf("Two alternatives of request %q are called %q", name, n), Do: "Give each a name of its own.", At: sub.AtName("name")})
			}
			below[s.Name.ValueString()] = true
			out = append(out, amountTroubles(sub, s.AllocationMode, s.Count)...)
			out = append(out, tolerationTroubles(sub, s.Tolerations)...)
		}
	}
	return out
}

func amountTroubles(at path.Path, mode types.String, count types.Int64) []diags.Message {
	if mode.ValueString() != all || !diags.Given(count) {
		return nil
	}
	return []diags.Message{{
		Summary: "All devices and a number of them cannot both be asked for",
		Do:      "Remove count, or allocation_mode = \"All\".", At: at.AtName("count"),
	}}
}

func tolerationTroubles(at path.Path, in []Toleration) []diags.Message {
	var out []diags.Message
	for i, t := range in {
		here, operator := at.AtName("tolerations").AtListIndex(i), t.Operator.ValueString()
		if t.Operator.IsUnknown() {
			continue
		}
		if t.Key.IsNull() && operator != "Exists" {
			out = append(out, diags.Message{
				Summary: "A toleration without a key is for every taint", Do: "Set operator = \"Exists\", or the key of a taint.", At: here.AtName("operator"),
			})
		}
		if operator == "Exists" && diags.Given(t.Value) {
			out = append(out, diags.Message{
				Summary: "With operator Exists the value of a taint does not matter", Do: "Remove value, or use operator Equal.", At: here.AtName("value"),
			})
		}
	}
	return out
}

// ReferenceTroubles are the names of requests in constraints and configurations
// that no request has, and constraints that say nothing or two things.
func ReferenceTroubles(constraintsAt, configAt path.Path, requests []Request, constraints []Constraint, config []Config) []diags.Message {
	known, unknown := map[string]bool{}, false
	for _, r := range requests {
		unknown = unknown || r.Name.IsUnknown()
		known[r.Name.ValueString()] = true
		for _, s := range r.FirstAvailable {
			unknown = unknown || s.Name.IsUnknown()
			known[r.Name.ValueString()+"/"+s.Name.ValueString()] = true
		}
	}
	var out []diags.Message
	check := func(at path.Path, names []types.String) {
		for i, n := range names {
			if !unknown && !n.IsUnknown() && !known[n.ValueString()] {
				out = append(out, diags.Message{
					Summary: fmt.Sprintf("There is no request %q", n.ValueString()),
					Do:      "The requests are " + strings.Join(namesOf(requests), ", ") + "; one alternative of a request is <request>/<alternative>.",
					At:      at.AtName("requests").AtListIndex(i),
				})
			}
		}
	}
	for i, c := range constraints {
		at := constraintsAt.AtListIndex(i)
		check(at, c.Requests)
		if c.MatchAttribute.IsNull() == c.DistinctAttribute.IsNull() && !c.MatchAttribute.IsUnknown() && !c.DistinctAttribute.IsUnknown() {
			out = append(out, diags.Message{
				Summary: "A constraint needs exactly one of match_attribute and distinct_attribute",
				Do:      "Say which attribute the devices must share, or which they must not; for both, write two constraints.", At: at,
			})
		}
	}
	for i, c := range config {
		check(configAt.AtListIndex(i), c.Requests)
	}
	return out
}

func namesOf(requests []Request) []string {
	var out []string
	for _, r := range requests {
		out = append(out, r.Name.ValueString())
	}
	return out
}
