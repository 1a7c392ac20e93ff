package values_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/values"
)

func TestToKubernetes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ got, want any }{
		"an enum":          {values.Enum[corev1.Protocol](types.StringValue("UDP")), ptr.To(corev1.ProtocolUDP)},
		"no enum":          {values.Enum[corev1.Protocol](types.StringNull()), (*corev1.Protocol)(nil)},
		"a percentage":     {values.Share(types.StringValue("25%")), ptr.To(intstr.FromString("25%"))},
		"a number":         {values.Share(types.StringValue("0")), ptr.To(intstr.FromInt32(0))},
		"no share":         {values.Share(types.StringNull()), (*intstr.IntOrString)(nil)},
		"a map":            {values.Plain(map[string]types.String{"a": types.StringValue(""), "b": types.StringNull()}), map[string]string{"a": ""}},
		"an empty map":     {values.Plain(map[string]types.String{}), map[string]string(nil)},
		"a map attribute":  {values.Map(map[string]string{"a": ""}), map[string]types.String{"a": types.StringValue("")}},
		"no map attribute": {values.Map(map[string]string{}), map[string]types.String(nil)},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The server's default is null unless the configuration states it, and zero is a value.
func TestStated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ got, want any }{
		"nothing":                    {values.Stated(nil, 10, types.Int32Value(10)), types.Int32Null()},
		"the default":                {values.Stated(ptr.To[int32](10), 10, types.Int32Null()), types.Int32Null()},
		"the default, stated":        {values.Stated(ptr.To[int32](10), 10, types.Int32Value(3)), types.Int32Value(10)},
		"zero":                       {values.Stated(ptr.To[int32](0), 10, types.Int32Null()), types.Int32Value(0)},
		"no text":                    {values.Word("", "Always", types.StringValue("Always")), types.StringNull()},
		"the default text":           {values.Word("Always", "Always", types.StringNull()), types.StringNull()},
		"the default text, stated":   {values.Word("Always", "Always", types.StringValue("Never")), types.StringValue("Always")},
		"another than the default's": {values.Word("Never", "Always", types.StringNull()), types.StringValue("Never")},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
