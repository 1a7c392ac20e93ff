package provider

import (
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// objectAttributes are the attributes that shape the objects themselves: while
// one of them is unknown not even a plan made without the cluster can tell
// namespaces, labels or annotations.
var objectAttributes = []string{"namespace", "labels", "annotations"}

// unknowns names an attribute of the block with a value that is not known yet,
// "" when all are, and those of objectAttributes that are not; one of these is
// named first.
func unknowns(config tftypes.Value) (first string, open []string, err error) {
	var names []string
	err = tftypes.Walk(config, func(p *tftypes.AttributePath, v tftypes.Value) (bool, error) {
		if !v.IsKnown() {
			names = append(names, attributeName(p))
		}
		return true, nil
	})
	if err != nil || len(names) == 0 {
		return "", nil, err
	}
	for _, n := range objectAttributes {
		if slices.Contains(names, n) {
			open = append(open, n)
		}
	}
	if len(open) > 0 {
		return open[0], open, nil
	}
	return slices.Min(names), nil, nil
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
