package testkit

import "k8s.io/apimachinery/pkg/api/resource"

// Quantity parses a quantity known to be right.
func Quantity(s string) resource.Quantity { return resource.MustParse(s) }
