package inferenceservice

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// presetPath is the attribute that shows what runtime and model put in.
var presetPath = path.Root("preset")

// noPreset is preset where nothing was left open.
var noPreset = types.MapValueMust(types.StringType, map[string]attr.Value{})

// preset shows what runtime and model put into the pod.
func preset(m *Model) attr.Value {
	f := fill(m)
	return f.shown(&f.pod)
}

// shown are the parts as they are in a pod.
func (f *filled) shown(pod *podspec.Model) types.Map {
	out := make(map[string]attr.Value, len(f.parts))
	for _, p := range f.parts {
		if v := p.of(pod); v != nil {
			out[p.key] = types.StringValue(written(reflect.ValueOf(v)))
		}
	}
	if f.worker != "" {
		out[workerKey] = types.StringValue(f.worker)
	}
	for k, v := range f.notes {
		out[noteKey+k] = types.StringValue(v)
	}
	return types.MapValueMust(types.StringType, out)
}

// unmade takes out of an adopted model what prior does not say and other
// attributes of it make; where a probe is gone, the budget that made it is too.
func unmade(m, prior *Model) {
	f := fill(prior)
	m.Preset = f.shown(&m.Model)
	budgeted := false
	for _, p := range f.parts {
		budgeted = budgeted || p.key == "startup_budget"
		if now, made := p.of(&m.Model), p.of(&f.pod); reflect.DeepEqual(now, made) || len(p.at.Steps()) == 0 {
			p.drop(&m.Model)
		}
	}
	switch {
	case budgeted || prior.StartupProbe != nil || f.pod.StartupProbe == nil:
	case m.StartupProbe == nil:
		m.StartupBudget = types.StringNull()
	case reflect.DeepEqual(m.StartupProbe, f.pod.StartupProbe):
		m.StartupProbe = nil
	}
}

// podFields says which attribute made which field of the pod template.
func podFields(f *filled, segments ...string) diags.Fields {
	out := f.pod.Fields(path.Empty(), segments...)
	for _, p := range f.parts {
		if len(p.at.Steps()) > 0 {
			out.Redirect(p.at, presetPath.AtMapKey(p.key))
		} else {
			out.Add(presetPath.AtMapKey(p.key), append(slices.Clone(segments), "spec", "containers", f.pod.Main(), p.key)...)
		}
	}
	return out
}

// written is a value in the notation of a configuration, without its quotes and
// without what is null.
func written(v reflect.Value) string {
	if a, ok := v.Interface().(attr.Value); ok {
		if s, err := strconv.Unquote(a.String()); err == nil {
			return s
		}
		return a.String()
	}
	switch v.Kind() {
	case reflect.Pointer:
		return written(v.Elem())
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			all = append(all, written(v.Index(i)))
		}
		return "[" + strings.Join(all, ", ") + "]"
	case reflect.Map:
		said := map[string]string{}
		for _, k := range v.MapKeys() {
			said[k.String()] = written(v.MapIndex(k))
		}
		return object(said)
	case reflect.Struct:
		said := map[string]string{}
		attributesOf(v, said)
		return object(said)
	}
	return fmt.Sprint(v.Interface())
}

// attributesOf are those of a struct, and of what it embeds, that are not null.
func attributesOf(v reflect.Value, into map[string]string) {
	for i := range v.NumField() {
		field, is := v.Field(i), v.Type().Field(i)
		if is.Anonymous {
			attributesOf(field, into)
			continue
		}
		switch field.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			if field.IsNil() {
				continue
			}
		}
		if a, ok := field.Interface().(attr.Value); ok && a.IsNull() {
			continue
		}
		into[is.Tag.Get("tfsdk")] = written(field)
	}
}

func object(said map[string]string) string {
	if len(said) == 0 {
		return "{}"
	}
	var all []string
	for _, k := range slices.Sorted(maps.Keys(said)) {
		all = append(all, k+" = "+said[k])
	}
	return "{ " + strings.Join(all, ", ") + " }"
}
