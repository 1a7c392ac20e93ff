package kube

import (
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// keepsZero reports whether the server stores a zero value at the path instead
// of leaving it out, so that its absence is a change: fields that are pointers
// in the API's Go type, where 0 and nothing are two things, entries of maps, and
// all of a custom resource.
func keepsZero(o map[string]any, at []string, value any) bool {
	version, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	typed, err := scheme.Scheme.New(schema.FromAPIVersionAndKind(version, kind))
	if err != nil {
		// A custom resource is stored as it was sent. What holds nothing says nothing.
		switch value.(type) {
		case map[string]any, []any:
			return false
		}
		return true
	}
	typ, keeps := reflect.TypeOf(typed).Elem(), false
	for _, segment := range at {
		switch typ.Kind() {
		case reflect.Struct:
			f, ok := fieldOf(typ, segment)
			if !ok {
				return false
			}
			typ, keeps = f, f.Kind() == reflect.Pointer
		case reflect.Map:
			typ, keeps = typ.Elem(), true
		case reflect.Slice:
			typ, keeps = typ.Elem(), true
		default:
			return false
		}
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
	}
	return keeps
}

// fieldOf is the type of a struct's field by its name in JSON.
func fieldOf(typ reflect.Type, name string) (reflect.Type, bool) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == name {
			return f.Type, true
		}
		if f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct {
			if t, ok := fieldOf(f.Type, name); ok {
				return t, true
			}
		}
	}
	return nil, false
}
