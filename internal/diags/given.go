package diags

import "github.com/hashicorp/terraform-plugin-framework/attr"

// Given reports whether a value is there for certain: it is not null, and it is
// known. One that is not known yet may still turn out to be null, so nothing may
// be held against it.
func Given(v attr.Value) bool { return !v.IsNull() && !v.IsUnknown() }
