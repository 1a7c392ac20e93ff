package provider

import (
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// objectAttributes are the attributes that shape the objects themselves. When
// one of them is unknown it is named first, because then not even a plan made
// without the cluster can tell labels, annotations or namespaces.
var objectAttributes = []string{"namespace", "labels", "annotations"}

// firstUnknown names the first attribute of the block with a value that is not
// known yet; "" when all are.
func firstUnknown(config tftypes.Value) (string, error) {
	var names []string
	err := tftypes.Walk(config, func(p *tftypes.AttributePath, v tftypes.Value) (bool, error) {
		if !v.IsKnown() {
			names = append(names, attributeName(p))
		}
		return true, nil
	})
	if err != nil || len(names) == 0 {
		return "", err
	}
	return slices.MinFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	}), nil
}

func rank(name string) int {
	if i := slices.Index(objectAttributes, name); i >= 0 {
		return i
	}
	return len(objectAttributes)
}

// attributeName writes a path without keys and indexes: "exec.env".
func attributeName(p *tftypes.AttributePath) string {
	var names []string
	for _, step := range p.Steps() {
		if n, ok := step.(tftypes.AttributeName); ok {
			names = append(names, string(n))
		}
	}
	return strings.Join(names, ".")
}
