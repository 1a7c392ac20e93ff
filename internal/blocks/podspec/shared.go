package podspec

import (
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
)

// What resources say of pods that are made by somebody else, or by another rule
// than this block's.

// AdoptTolerations turns tolerations into what attributes say; nil for none.
func AdoptTolerations(in []corev1.Toleration) []Toleration {
	var out []Toleration
	for _, t := range in {
		out = append(out, Toleration{
			Key: word(t.Key), Operator: word(t.Operator), Value: word(t.Value), Effect: word(t.Effect), Seconds: types.Int64PointerValue(t.TolerationSeconds),
		})
	}
	return out
}

// AmountsAttribute is a map of quantities by resource.
func AmountsAttribute(description string) schema.Attribute { return amountsAttribute(description) }

// Amounts returns quantities by resource; nil for none.
func Amounts(in map[string]quantity.Value) (corev1.ResourceList, diag.Diagnostics) {
	return amounts(in)
}

// AdoptAmounts turns quantities by resource into what attributes say; nil for none.
func AdoptAmounts(in corev1.ResourceList) map[string]quantity.Value { return amountMap(in) }

// EnvAttribute is a map of environment variables with their values.
func EnvAttribute(of string) schema.Attribute { return envAttribute(of) }
