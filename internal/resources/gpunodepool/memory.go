package gpunodepool

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// memoryKey is the key of private state.
const memoryKey = "mlk"

// memory is what a pool remembers beside its state.
type memory struct {
	// Claim is the random mark that tells this state's pool from one of the same
	// name in another state. Empty until the first write after an import, and where
	// Terraform has dropped private state.
	Claim string `json:"claim,omitempty"`
	// Cluster is the uid of namespace kube-system; empty when it may not be read.
	Cluster string `json:"cluster,omitempty"`
	// Pending is set while a wait has not succeeded.
	Pending bool `json:"pending,omitempty"`
	// Settled is set while no node has to be written and nothing is waited for.
	Settled bool `json:"settled,omitempty"`
	// Imported is set until the first write after an import.
	Imported bool `json:"imported,omitempty"`
}

func recall(ctx context.Context, p interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
},
) (memory, diag.Diagnostics) {
	var m memory
	raw, ds := p.GetKey(ctx, memoryKey)
	if ds.HasError() || len(raw) == 0 {
		return m, ds
	}
	if json.Unmarshal(raw, &m) != nil {
		return memory{}, ds // written by hand: as if it had been lost
	}
	return m, ds
}

// Settled reports whether a plan that changes no attribute has nothing to do.
func (p *Pool) Settled(private []byte) bool {
	var keys map[string][]byte
	var m memory
	return json.Unmarshal(private, &keys) == nil && json.Unmarshal(keys[memoryKey], &m) == nil && m.Settled && !m.Pending
}

// settle notes whether all nodes that match are members.
func (m *memory) settle(of *Model) {
	m.Settled = of.onDemand() || list(names(of.Nodes)).Equal(of.Members)
}

func (m memory) store(ctx context.Context, p interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
},
) diag.Diagnostics {
	raw, err := json.Marshal(m)
	if err != nil {
		return diag.Diagnostics{diags.Message{Summary: "Private state cannot be written", Why: err.Error()}.Error()}
	}
	return p.SetKey(ctx, memoryKey, raw)
}
