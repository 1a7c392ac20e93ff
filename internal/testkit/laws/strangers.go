package laws

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// stranger is a field, map entry or list element that the configuration does
// not name and somebody else sets.
type stranger struct {
	at place
	// element is set when the value is appended to the list at the place.
	element bool
	value   any
}

func (s stranger) apply(o map[string]any) {
	var at any = o
	for _, step := range s.at[:len(s.at)-1] {
		switch x := at.(type) {
		case map[string]any:
			name, _ := step.(string)
			if x[name] == nil {
				x[name] = map[string]any{}
			}
			at = x[name]
		case []any:
			i, _ := step.(int)
			at = x[i]
		}
	}
	m, ok := at.(map[string]any)
	name, named := s.at[len(s.at)-1].(string)
	if !ok || !named {
		return
	}
	if s.element {
		list, _ := m[name].([]any)
		m[name] = append(slices.Clone(list), s.value)
		return
	}
	m[name] = s.value
}

// strangers: what somebody else sets changes nothing that the user declared,
// and plans nothing.
func (r *rig) strangers(t *testing.T, c Config, objects []sent, tally *Tally) {
	t.Helper()
	names := settable(r.s.schemaOf(t), c)
	for _, o := range objects {
		all := strangersOf(t, o)
		tally.Strangers += len(all)
		seen := func(some []stranger) []string {
			live := r.api.Get(o.kind, o.namespace, o.name)
			edit := func(edit func(map[string]any)) { r.api.Change(o.kind, o.namespace, o.name, "stranger", edit) }
			edit(func(o map[string]any) {
				for _, s := range some {
					s.apply(o)
				}
			})
			defer edit(func(o map[string]any) {
				for k := range o {
					delete(o, k)
				}
				for k, v := range live.Object {
					o[k] = v
				}
			})
			f := r.Fork()
			if out := f.Refresh(t.Context()); out.Errors() != "" {
				t.Fatalf("refresh: %s", out.Errors())
			}
			if len(some) == len(all) {
				there := slices.ContainsFunc(some, func(s stranger) bool { return s.at[0] == "spec" }) // all of a spec may be declared
				if got := r.api.Get(o.kind, o.namespace, o.name); there && equal(got.Object["spec"], live.Object["spec"]) && live.Object["spec"] != nil {
					t.Error("the strangers did not arrive")
				}
				r.nothingPlanned(t, f, c)
			}
			return differing(names, r.Core, f)
		}
		if len(seen(all)) == 0 {
			continue
		}
		// Together they show: find out which.
		for _, s := range all {
			if changed := seen([]stranger{s}); len(changed) > 0 {
				t.Errorf("%s set by somebody else changes %v", s.at, changed)
			}
		}
	}
}

// alien names what strangers bring.
const alien = "stranger.example.com/x"

// strangersOf are all fields of the API type that the object does not name,
// entries of its maps, and elements of the lists that the server merges by key.
func strangersOf(t *testing.T, o sent) []stranger {
	t.Helper()
	gvk := schema.FromAPIVersionAndKind(fmt.Sprint(o.object["apiVersion"]), o.kind)
	if !scheme.Scheme.Recognizes(gvk) { // a custom resource: of its fields nothing is known
		return []stranger{
			{at: place{"metadata", "labels", alien}, value: "y"},
			{at: place{"metadata", "annotations", alien}, value: "y"},
			{at: place{"metadata", "finalizers"}, element: true, value: alien},
			{at: place{"spec", "stranger"}, value: "y"},
		}
	}
	typed, err := scheme.Scheme.New(gvk)
	if err != nil {
		t.Fatal(err)
	}
	var out []stranger
	typ := reflect.TypeOf(typed).Elem()
	for f := range fieldsOf(typ) {
		name := jsonName(f)
		if name == "" || name == "status" {
			continue
		}
		if name == "metadata" {
			for _, m := range []string{"labels", "annotations"} {
				out = append(out, stranger{at: place{name, m, alien}, value: "y"})
			}
			out = append(out, stranger{at: place{name, "finalizers"}, element: true, value: alien})
			continue
		}
		walkStrangers(place{name}, f, o.object[name], &out)
	}
	return out
}

// partOfKey are fields by which the server tells elements apart although the
// object need not name them.
var partOfKey = map[string]bool{"protocol": true}

func walkStrangers(at place, f reflect.StructField, v any, out *[]stranger) {
	typ := f.Type
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if v == nil {
		if partOfKey[at.field(0)] {
			return
		}
		if foreign, ok := foreignOf(typ, f.Tag.Get("patchMergeKey"), depth); ok {
			*out = append(*out, stranger{at: at, value: foreign})
		}
		return
	}
	switch x := v.(type) {
	case map[string]any:
		if typ.Kind() == reflect.Map {
			if value, ok := foreignOf(typ.Elem(), "", depth); ok {
				*out = append(*out, stranger{at: append(slices.Clone(at), alien), value: value})
			}
			return
		}
		walkStruct(at, typ, x, out)
	case []any:
		key := f.Tag.Get("patchMergeKey")
		if key == "" || typ.Elem().Kind() != reflect.Struct {
			return // owned as a whole
		}
		for i, e := range x {
			if m, ok := e.(map[string]any); ok {
				walkStruct(append(slices.Clone(at), i), typ.Elem(), m, out)
			}
		}
		if value, ok := foreignOf(typ, key, depth); ok {
			list, _ := value.([]any)
			*out = append(*out, stranger{at: at, element: true, value: list[0]})
		}
	}
}

func walkStruct(at place, typ reflect.Type, x map[string]any, out *[]stranger) {
	if typ.Kind() != reflect.Struct || opaque(typ) {
		return
	}
	for f := range fieldsOf(typ) {
		name := jsonName(f)
		switch {
		case name == "":
		case f.Anonymous && name == inline:
			walkStruct(at, f.Type, x, out)
		case name == "metadata":
			// A template's: it has labels and annotations.
			for _, m := range []string{"labels", "annotations"} {
				*out = append(*out, stranger{at: append(slices.Clone(at), name, m, alien), value: "y"})
			}
		default:
			walkStrangers(append(slices.Clone(at), name), f, x[name], out)
		}
	}
}

const inline = ",inline"

func fieldsOf(typ reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

// jsonName is the name of a field in JSON; inline for an embedded one.
func jsonName(f reflect.StructField) string {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	if f.Anonymous && (name == "" || strings.Contains(options, "inline")) {
		return inline
	}
	if name == "-" {
		return ""
	}
	return name
}

// depth is how deep made-up values go: scalars, and one struct around them.
const depth = 2

// opaque types are structs that are scalars in JSON.
func opaque(typ reflect.Type) bool {
	switch reflect.New(typ).Interface().(type) {
	case *resource.Quantity, *metav1.Time, *metav1.MicroTime, *intstr.IntOrString, *metav1.FieldsV1:
		return true
	}
	return false
}

// foreignOf makes up a value of an API type.
func foreignOf(typ reflect.Type, mergeKey string, depth int) (any, bool) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if opaque(typ) {
		switch reflect.New(typ).Interface().(type) {
		case *resource.Quantity:
			return "3", true
		case *intstr.IntOrString:
			return int64(3), true
		}
		return nil, false
	}
	switch typ.Kind() {
	case reflect.String:
		return "foreign", true
	case reflect.Bool:
		return true, true
	case reflect.Int32, reflect.Int64, reflect.Int:
		return int64(3), true
	case reflect.Map:
		v, ok := foreignOf(typ.Elem(), "", depth-1)
		return map[string]any{alien: v}, ok
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			return nil, false
		}
		v, ok := foreignOf(typ.Elem(), "", depth-1)
		if m, is := v.(map[string]any); is && mergeKey != "" {
			for f := range fieldsOf(typ.Elem()) {
				if jsonName(f) == mergeKey {
					m[mergeKey], _ = foreignOf(f.Type, "", 1)
				}
			}
		}
		return []any{v}, ok
	case reflect.Struct:
		out := map[string]any{}
		if depth <= 0 {
			return out, true
		}
		for f := range fieldsOf(typ) {
			name := jsonName(f)
			if name == "" || name == inline || name == "metadata" || name == "status" {
				continue
			}
			if v, ok := foreignOf(f.Type, f.Tag.Get("patchMergeKey"), depth-1); ok {
				out[name] = v
			}
		}
		return out, true
	}
	return nil, false
}
