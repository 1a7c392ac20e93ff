package lifecycle

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// memoryKey is the one key of private state.
const memoryKey = "mlk"

// memory is what a resource remembers beside its state: things no user should
// see in a plan.
type memory struct {
	// Claim is the random mark on the objects that tells this state's objects
	// from those of another workspace with the same configuration. Empty until
	// the first write after an import.
	Claim string `json:"claim,omitempty"`
	// Inherited is the claim the objects bore when they were imported. The first
	// write puts Claim in its place, so that the state they came from leaves them
	// alone from then on.
	Inherited string `json:"inherited,omitempty"`
	// Cluster is the uid of namespace kube-system; empty when it may not be read.
	Cluster string `json:"cluster,omitempty"`
	// Objects are the owned objects as last seen.
	Objects []remembered `json:"objects,omitempty"`
	// Beside is the fingerprint of the related objects when they were last seen.
	Beside string `json:"beside,omitempty"`
	// Pending is set while a wait has not succeeded.
	Pending bool `json:"pending,omitempty"`
	// Incomplete is set while an owned object is missing, or one is there that nothing
	// asks for.
	Incomplete bool `json:"incomplete,omitempty"`
	// LastSeen is when the main object was last seen.
	LastSeen time.Time `json:"last_seen,omitzero"`
	// Foreign is set when the objects bear the claim of another state.
	Foreign bool `json:"foreign,omitempty"`

	// lost is set when private state was lost: see mend.
	lost bool
	// moved is set when state and private state know no object at all.
	moved bool
}

// remembered is one object. A fingerprint that is still the same means that
// nothing about the object has changed.
type remembered struct {
	Kind string `json:"kind"`
	// Group is that of the kind, which two projects may call alike. Empty where it is
	// not known: what comes from the state has none.
	Group       string `json:"group,omitempty"`
	Role        string `json:"role,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name"`
	UID         string `json:"uid"`
	Fingerprint string `json:"fingerprint,omitempty"`
}

// fingerprint is a hash of all that an object says, without the book-keeping
// that changes when nothing else does. Not the resource version: the recorded
// mark moves it right after the state is saved.
func fingerprint(o *kube.Object) string {
	metadata, _ := o.Object["metadata"].(map[string]any)
	slim := make(map[string]any, len(metadata))
	for k, v := range metadata {
		switch k {
		case "managedFields", "resourceVersion":
		case "annotations":
			all := o.GetAnnotations()
			delete(all, RecordedAnnotation)
			slim[k] = all
		default:
			slim[k] = v
		}
	}
	whole := maps.Clone(o.Object)
	whole["metadata"] = slim
	raw, err := json.Marshal(whole)
	if err != nil {
		return ""
	}
	h := fnv.New64a()
	_, _ = h.Write(raw)
	return strconv.FormatUint(h.Sum64(), 36)
}

// fingerprintAll is a fingerprint of several objects, "" of none.
func fingerprintAll(objects []*kube.Object) string {
	var all []string
	for _, o := range objects {
		all = append(all, fingerprint(o))
	}
	slices.Sort(all)
	return strings.Join(all, "+")
}

// privateReader and privateWriter are what the framework's private state offers.
type privateReader interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

type privateWriter interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

func recall(ctx context.Context, p privateReader) (memory, diag.Diagnostics) {
	var m memory
	raw, ds := p.GetKey(ctx, memoryKey)
	if ds.HasError() || len(raw) == 0 {
		return m, ds
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		// State written by hand or by a broken version: act as after an import.
		return memory{}, ds
	}
	return m, ds
}

func (m memory) store(ctx context.Context, p privateWriter) diag.Diagnostics {
	raw, err := json.Marshal(m)
	if err != nil {
		return diag.Diagnostics{diags.Message{Summary: "Private state cannot be written", Why: err.Error()}.Error()}
	}
	return p.SetKey(ctx, memoryKey, raw)
}

// ref names the object, as far as a memory knows its kind.
func (o remembered) ref() kube.Ref {
	return kube.Ref{Kind: kube.Kind{Group: o.Group, Kind: o.Kind}, Namespace: o.Namespace, Name: o.Name, Role: o.Role}
}

// is reports whether the object is of the kind, as far as a memory knows its kind.
func (o remembered) is(k kube.Kind) bool {
	return o.Kind == k.Kind && (o.Group == "" || k.Group == "" || o.Group == k.Group)
}

// remember notes the objects as they are now, in the order of refs.
func (m *memory) remember(refs []kube.Ref, live map[kube.Ref]*kube.Object) {
	m.Objects = nil
	for _, r := range refs {
		o := live[r]
		if o == nil {
			continue
		}
		m.Objects = append(m.Objects, remembered{
			Kind: r.Kind.Kind, Group: r.Kind.Group, Role: r.Role, Namespace: r.Namespace, Name: r.Name,
			UID: string(o.GetUID()), Fingerprint: fingerprint(o),
		})
	}
}

// mend takes from the state what private state does not say. Terraform drops
// private state where the provider died in an update, and deletes a tainted
// resource that it replaces without handing it over; and a create whose answer
// was lost knows no uid. Without the claim the uid has to do, and without the
// uid the claim.
func (m *memory) mend(objects types.List) {
	if len(m.Objects) > 0 {
		return
	}
	if m.Claim == "" && len(objects.Elements()) > 0 {
		m.lost, m.Pending = true, true
	}
	for _, e := range objects.Elements() {
		o, ok := e.(types.Object)
		if !ok {
			continue
		}
		part := func(name string) string {
			s, _ := o.Attributes()[name].(types.String)
			return s.ValueString()
		}
		m.Objects = append(m.Objects, remembered{Kind: part("kind"), Namespace: part("namespace"), Name: part("name"), UID: part("uid")})
	}
}

// mendFrom is mend with the objects of a state.
func (m *memory) mendFrom(ctx context.Context, state tfsdk.State) diag.Diagnostics {
	if len(m.Objects) > 0 {
		return nil
	}
	var objects types.List
	ds := state.GetAttribute(ctx, path.Root("objects"), &objects)
	m.mend(objects)
	return ds
}

// mine reports whether a live object bears the claim of this state, as far as
// this state knows its claim. An object that bears none was imported and not
// written since.
func (m memory) mine(o *kube.Object) bool {
	claim := claimOf(o)
	return m.lost || claim == "" || claim == m.Claim || claim == m.Inherited
}

// knows reports whether a live object is the one this state has under its name.
func (m memory) knows(ref kube.Ref, live *kube.Object) bool {
	if live == nil {
		return false
	}
	if m.moved {
		return true
	}
	if uid := m.uid(ref); uid != "" {
		return uid == string(live.GetUID())
	}
	return m.Claim != "" && claimOf(live) == m.Claim
}

// uid returns the uid this state knows the object by; "" when it knows none.
func (m memory) uid(r kube.Ref) string { return m.find(r).UID }

// fingerprint returns the fingerprint of the object when it was last seen.
func (m memory) fingerprint(r kube.Ref) string { return m.find(r).Fingerprint }

func (m memory) find(r kube.Ref) remembered {
	for _, o := range m.Objects {
		if o.is(r.Kind) && o.Namespace == r.Namespace && o.Name == r.Name {
			return o
		}
	}
	return remembered{}
}

// refs returns the remembered objects that are of the given kinds. One whose group
// is not known may be of several.
func (m memory) refs(kinds []kube.Kind) []kube.Ref {
	var out []kube.Ref
	for _, o := range m.Objects {
		for _, k := range kinds {
			if o.is(k) {
				out = append(out, kube.Ref{Kind: k, Namespace: o.Namespace, Name: o.Name, Role: o.Role})
			}
		}
	}
	return out
}

// newClaim makes a claim of 128 random bits.
func newClaim() string { return rand.Text() }
