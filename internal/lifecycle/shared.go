package lifecycle

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// What a resource that owns keys on other people's objects, and so is not made by
// New, has in common with those that are.

// Client connects for a resource called by its noun, and returns the uid of the
// cluster; "" when this user may not read it.
func (p *ProviderData) Client(ctx context.Context, noun string) (*kube.Client, string, diag.Diagnostics) {
	var mem memory
	r := &Resource[Common, *Common]{def: Definition[Common]{Noun: noun}, provider: p}
	client, ds := r.connect(ctx, &mem)
	return client, mem.Cluster, ds
}

// WrongCluster is the refusal to touch another cluster than the one the state was
// made on.
func WrongCluster(title string) diag.Diagnostic {
	return (&Resource[Common, *Common]{}).wrongCluster(title)
}

// Refusal puts into words why the cluster did not do what was asked of it.
func Refusal(title string, ref kube.Ref, verb string, err error, stands string) diag.Diagnostics {
	return failure{title: title, ref: ref, verb: verb, err: err, stands: stands}.diagnostics()
}

// RefusalAt is Refusal of an object that was sent: it names the attributes that made
// the fields which the cluster objects to.
func RefusalAt(title string, ref kube.Ref, verb string, err error, stands string, sent *kube.Object, fields diags.Fields) diag.Diagnostics {
	return failure{title: title, ref: ref, verb: verb, err: err, stands: stands, sent: sent, fields: fields}.diagnostics()
}

// Unsettled is the warning that a refresh gives while the cluster is not known.
func Unsettled(attribute string) diag.Diagnostic {
	return diags.Message{
		Summary:  "The cluster is not known yet, so the state was not refreshed",
		Happened: "The provider attribute \"" + attribute + "\" is not known at this point.",
		Stands:   "The plan is made from the state as it is.",
	}.Warning()
}

// Clip keeps a summary within the length of a line.
func Clip(s string) string { return clip(s) }

// Tainted tells what Terraform does to a resource whose create failed.
func Tainted(address string) string { return tainted(address) }

// TimeoutsAttribute is the attribute timeouts with these defaults.
func TimeoutsAttribute(ctx context.Context, limits Timeouts) schema.Attribute {
	return timeoutsAttribute(ctx, limits)
}

// CommonAttribute is one of the attributes that all resources have, by name.
func CommonAttribute(ctx context.Context, name string, limits Timeouts) schema.Attribute {
	return withCommon(ctx, schema.Schema{}, true, nil, limits).Attributes[name]
}

// StatusTypes are the types of the attribute status.
func StatusTypes() map[string]attr.Type { return statusTypes }

// NoStatus is the attribute status of what has not been seen.
func NoStatus() types.Object { return types.ObjectNull(statusTypes) }

// Mark puts the owner's marks on an object that a resource makes: its type and id, and
// the claim of its state.
func Mark(o *kube.Object, typ, id, claim string) { mark(o, typ, id, claim) }

// Owned reports whether an object bears the owner's mark of a resource.
func Owned(o *kube.Object, typ, id string) bool {
	return o.GetLabels()[OwnerLabel] == ownerHash(typ, id)
}

// ClaimOf is the claim that an object bears; "" for none.
func ClaimOf(o *kube.Object) string { return claimOf(o) }

// Lasting is an object without what changes at every write.
func Lasting(o *kube.Object) map[string]any { return lasting(o) }

// Objects is the attribute objects: these, with their uids.
func Objects(refs []kube.Ref, uid func(kube.Ref) types.String) types.List {
	return objectsValue(refs, uid)
}

// ObjectType is the type of an element of the attribute objects.
func ObjectType() types.ObjectType { return objectType }

// NewClaim makes a claim: the random mark by which the objects of one state are
// told from those of another with the same configuration.
func NewClaim() string { return newClaim() }

// NoTimeouts is a null attribute timeouts.
func NoTimeouts() timeouts.Value { return noTimeouts() }

// Uncertain reports whether a write may have happened although it returned an
// error.
func Uncertain(err error) bool { return uncertain(err) }
