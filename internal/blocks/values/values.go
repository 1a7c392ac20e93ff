// Package values is the way between the values of attributes and those of Kubernetes'
// types, in both directions.
package values

import (
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Enum is a value of one of Kubernetes' string types; nil for null.
func Enum[T ~string](v types.String) *T {
	if v.IsNull() {
		return nil
	}
	t := T(v.ValueString())
	return &t
}

// Share is a number, a share in percent, or the name of a port; nil for null.
func Share(v types.String) *intstr.IntOrString {
	if v.IsNull() {
		return nil
	}
	s := intstr.Parse(v.ValueString())
	return &s
}

// Plain is a map of texts without the entries that are null; nil for an empty one.
func Plain(in map[string]types.String) map[string]string {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		if !v.IsNull() {
			out[k] = v.ValueString()
		}
	}
	return out
}

// Map is a map attribute; null for an empty one.
func Map(in map[string]string) map[string]types.String {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]types.String, len(in))
	for k, v := range in {
		out[k] = types.StringValue(v)
	}
	return out
}

// Stated is a number attribute; null where it is the server's default and like, what
// the configuration said, does not state it.
func Stated(n *int32, byDefault int32, like types.Int32) types.Int32 {
	if n == nil || *n == byDefault && like.IsNull() {
		return types.Int32Null()
	}
	return types.Int32Value(*n)
}

// Word is a text attribute; null where it is the server's default and like, what the
// configuration said, does not state it. No text attribute can say "".
func Word(s, byDefault string, like types.String) types.String {
	if s == "" || s == byDefault && like.IsNull() {
		return types.StringNull()
	}
	return types.StringValue(s)
}
