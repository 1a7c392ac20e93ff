package config

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Quantity is an amount as it was written, a number or "80Gi". It is checked with the
// rest of the configuration, where an error can name the field.
type Quantity string

// UnmarshalJSON takes a string or a number.
func (q *Quantity) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		text = string(raw)
	}
	*q = Quantity(text)
	return nil
}

// Amount is the quantity in Kubernetes' form, zero for one that Decode would refuse.
func (q Quantity) Amount() resource.Quantity {
	amount, err := resource.ParseQuantity(string(q))
	if err != nil {
		return resource.Quantity{}
	}
	return amount
}

// check says what is wrong with the quantity; empty is right.
func (q Quantity) check() error {
	if q == "" {
		return nil
	}
	amount, err := resource.ParseQuantity(string(q))
	switch {
	case err != nil:
		return fmt.Errorf("%q is no quantity such as 8 or 80Gi", string(q))
	case amount.Sign() < 0:
		return fmt.Errorf("%q is negative", string(q))
	}
	return nil
}
