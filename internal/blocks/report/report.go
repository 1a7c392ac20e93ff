// Package report reads what a run's container reports when it ends: a JSON
// object in its termination message.
package report

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

// Parse reads a JSON object: strings as they are, all else as compact JSON,
// entries that are null left out. ok is false when the message is anything else.
func Parse(message string) (result types.Map, ok bool) {
	var entries map[string]json.RawMessage
	if json.Unmarshal([]byte(message), &entries) != nil || entries == nil {
		return types.Map{}, false
	}
	values := make(map[string]attr.Value, len(entries))
	for k, raw := range entries {
		var text *string
		if string(raw) == "null" {
			continue
		}
		if json.Unmarshal(raw, &text) == nil && text != nil {
			values[k] = types.StringValue(*text)
			continue
		}
		var compact bytes.Buffer
		if json.Compact(&compact, raw) != nil {
			return types.Map{}, false
		}
		values[k] = types.StringValue(compact.String())
	}
	return types.MapValueMust(types.StringType, values), true
}
