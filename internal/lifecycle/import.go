package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// ImportState takes an existing object into the state: by id, namespace/name or
// name, or by identity. What no attribute can say lands in patch.
func (r *Resource[M, P]) ImportState(ctx context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	s, ok := resp.State.Schema.(schema.Schema)
	if !ok {
		return
	}
	ref, ds := r.importRef(ctx, req)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	var mem memory
	client, ds := r.connect(ctx, &mem)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	ref, live, err := r.importable(ctx, client, ref)
	if err != nil {
		resp.Diagnostics.Append(failure{title: ref.String(), ref: ref, verb: "read", err: err, stands: "Nothing was imported."}.diagnostics()...)
		return
	}
	if live == nil {
		resp.Diagnostics.Append(diags.Message{
			Summary: clip(fmt.Sprintf("%s does not exist", ref)),
			Stands:  "Nothing was imported.",
			Do:      "Check the name, the namespace and the cluster of the provider block. The id has the form " + r.idForm() + ".",
		}.Error())
		return
	}
	if owner := kube.Controlled(live); owner != nil {
		resp.Diagnostics.Append(diags.Message{
			Summary:  clip(fmt.Sprintf("%s is managed by %s %s", ref, owner.Kind, owner.Name)),
			Happened: "An object that another one controls changes and goes with it; importing it would set two masters over it.",
			Stands:   "Nothing was imported.",
			Do:       fmt.Sprintf("Import %s %s instead.", owner.Kind, owner.Name),
		}.Error())
		return
	}
	model, objects, ds := r.takeOver(ctx, client, ref, live)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	m := P(model)
	refs := slices.SortedFunc(maps.Keys(objects), func(a, b kube.Ref) int { return r.order(a) - r.order(b) })
	seen := r.look(ctx, client, m, objects)
	seen.Log = r.log(ctx, client, m, seen)
	resp.Diagnostics.Append(r.record(model, &mem, refs, seen)...)
	// Should the first write be the last thing this process does, the state
	// knows the claim it wrote.
	mem.Claim, mem.Inherited = newClaim(), claimOf(live)
	if resp.Diagnostics.HasError() {
		return
	}
	raw, ds := encode(ctx, s, model)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	resp.State.Raw = raw
	r.identify(r.main(m), resp.Identity)
	resp.Diagnostics.Append(mem.store(ctx, resp.Private)...)
}

// importable finds the object to import: where several engines make a resource,
// the first kind that has one of that name which is nobody's. A TrainJob makes a
// JobSet of its own name.
func (r *Resource[M, P]) importable(ctx context.Context, client *kube.Client, ref kube.Ref) (kube.Ref, *kube.Object, error) {
	live, err := client.Get(ctx, ref)
	for _, k := range r.mains()[1:] {
		if k.Namespaced != ref.Kind.Namespaced {
			continue
		}
		if err != nil || live != nil && kube.Controlled(live) == nil {
			break
		}
		if has, asked := client.Serves(ctx, k); asked != nil || !has {
			continue
		}
		other := ref
		other.Kind = k
		found, asked := client.Get(ctx, other)
		if err = asked; found != nil {
			ref, live = other, found
		}
	}
	return ref, live, err
}

// takeOver makes the model of a live object and of those beside it that the
// model asks for and that exist, with everything that no attribute says in patch.
func (r *Resource[M, P]) takeOver(ctx context.Context, client *kube.Client, ref kube.Ref, live *kube.Object) (*M, map[kube.Ref]*kube.Object, diag.Diagnostics) {
	objects := r.companions(ctx, client, ref, live)
	for {
		model, want, ds := r.understand(ctx, ref, byKey(objects))
		if ds.HasError() {
			return nil, nil, ds
		}
		more := false
		for _, w := range want {
			if objects[w.ref] != nil {
				continue
			}
			o, err := client.Get(ctx, w.ref)
			if err != nil {
				ds.Append(failure{title: w.ref.String(), ref: w.ref, verb: "read", err: err, stands: "Nothing was imported."}.diagnostics()...)
				return nil, nil, ds
			}
			if o != nil && o.GetDeletionTimestamp() == nil {
				objects[w.ref], more = o, true
			}
		}
		if !more {
			return model, objects, ds
		}
	}
}

// companions are the main object and those beside it that belong to it. What this
// user may not list, or the cluster does not know, is none.
func (r *Resource[M, P]) companions(ctx context.Context, client *kube.Client, ref kube.Ref, live *kube.Object) map[kube.Ref]*kube.Object {
	out := r.secondsOf(ctx, client, ref, live)
	out[ref] = live
	if r.def.Companion == nil {
		return out
	}
	for _, k := range r.def.Owns[1:] {
		all, err := client.List(ctx, k, ref.Namespace, "")
		if err != nil {
			continue
		}
		all = slices.DeleteFunc(all, func(o *kube.Object) bool {
			owner := o.GetLabels()[OwnerLabel]
			return o.GetDeletionTimestamp() != nil || kube.Controlled(o) != nil || owner != "" && owner != live.GetLabels()[OwnerLabel]
		})
		if o := r.def.Companion(live, k, all); o != nil {
			if at := r.refOf(ref.Name, k, o.GetNamespace(), o.GetName()); at.Role == "" {
				out[at] = o
			}
		}
	}
	return out
}

// otherwise is what the labels and annotations of an object beside the main one
// are other than wanted, as a patch; nil for nothing.
func otherwise(live, wanted *kube.Object) map[string]any {
	out := map[string]any{}
	for name, of := range map[string]func(*kube.Object) map[string]string{"labels": (*kube.Object).GetLabels, "annotations": (*kube.Object).GetAnnotations} {
		have, want, diff := of(live), of(wanted), map[string]any{}
		for k, v := range have {
			if w, ok := want[k]; !isMark(k) && !kube.IsGenerated(k) && (!ok || w != v) {
				diff[k] = v
			}
		}
		for k := range want {
			if _, ok := have[k]; !ok && !isMark(k) {
				diff[k] = nil
			}
		}
		if len(diff) > 0 {
			out[name] = diff
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// understand is the model that the live objects say, and what it asks for.
func (r *Resource[M, P]) understand(ctx context.Context, ref kube.Ref, all kube.Live) (*M, []rendered, diag.Diagnostics) {
	live := all[ref.Kind.Kind]
	model, ds := r.def.Adopt(all, nil)
	if ds.HasError() {
		return nil, nil, ds
	}
	m := P(model)
	blank := P(new(M))
	blank.Base().ID = types.StringValue(idOf(ref))
	blank.Base().Name = types.StringValue(ref.Name)
	blank.Base().Timeouts = noTimeouts()
	blank.Base().Patch = types.DynamicNull()
	blank.Base().Status = types.ObjectNull(statusTypes)
	blank.Base().Objects = types.ListNull(objectType)
	if p := blank.Place(); p != nil {
		p.Namespace = orNull(ref.Namespace)
	}
	r.adoptCommon(m, blank, all)
	ds.Append(r.sayOnce(m, live)...)
	if ds.HasError() {
		return nil, nil, ds
	}
	want, rds := r.render(m, "")
	ds.Append(rds...)
	if ds.HasError() {
		return nil, nil, ds
	}
	tree := map[string]any{}
	for _, w := range want {
		if o := all[w.key]; o != nil {
			if r.scaler(want) {
				o = kube.WithoutReplicas(w.ref.Kind, o)
			}
			rest := kube.Residual(w.ref.Kind, o.Object, w.obj.Object)
			if metadata := otherwise(o, w.obj); metadata != nil && w.ref != ref {
				if rest == nil {
					rest = map[string]any{}
				}
				rest["metadata"] = metadata
			}
			if rest != nil {
				tree[w.key] = rest
			}
		}
	}
	patch, err := dynamicOf(ctx, tree)
	if err != nil {
		ds.Append(diags.Message{Summary: clip(fmt.Sprintf("%s cannot be written as configuration", ref)), Why: err.Error(), At: path.Root("patch")}.Error())
		return nil, nil, ds
	}
	m.Base().Patch = patch
	return model, want, ds
}

// sayOnce takes labels and annotations out of the resource's own that another
// attribute, or the provider block, says already.
func (r *Resource[M, P]) sayOnce(m P, live *kube.Object) diag.Diagnostics {
	acs, ds := r.def.Desired((*M)(m))
	if ds.HasError() {
		return ds
	}
	base := m.Base()
	for _, ac := range acs {
		o, err := toObject(ac)
		if err != nil || o.GetKind() != live.GetKind() || o.GetName() != live.GetName() {
			continue // render says what is wrong
		}
		base.Labels = without(base.Labels, o.GetLabels())
		base.Annotations = without(base.Annotations, o.GetAnnotations())
	}
	labels, annotations := plainStrings(base.Labels), plainStrings(base.Annotations)
	if p := r.provider; p != nil {
		base.Labels, base.Annotations = without(base.Labels, p.Labels), without(base.Annotations, p.Annotations)
	}
	base.LabelsAll, base.AnnotationsAll = mapOf(labels), mapOf(annotations)
	return ds
}

// without returns the entries of in that said does not repeat; nil for none.
func without(in map[string]types.String, said map[string]string) map[string]types.String {
	var out map[string]types.String
	for k, v := range in {
		if s, ok := said[k]; ok && s == v.ValueString() {
			continue
		}
		if out == nil {
			out = make(map[string]types.String, len(in))
		}
		out[k] = v
	}
	return out
}

// noTimeouts is a null timeouts value; the zero value of its type cannot be saved.
func noTimeouts() timeouts.Value {
	t := map[string]attr.Type{"create": types.StringType, "update": types.StringType, "delete": types.StringType}
	return timeouts.Value{Object: types.ObjectNull(t)}
}

func (r *Resource[M, P]) idForm() string {
	switch one, two := r.scoped(false), r.scoped(true); {
	case one && two:
		return "name or namespace/name"
	case two:
		return "namespace/name"
	}
	return "name"
}

// importRef reads the id or the identity.
func (r *Resource[M, P]) importRef(ctx context.Context, req resource.ImportStateRequest) (kube.Ref, diag.Diagnostics) {
	ref := kube.Ref{Kind: r.def.Owns[0]}
	var ds diag.Diagnostics
	if req.ID == "" && req.Identity != nil {
		var name, namespace types.String
		ds.Append(req.Identity.GetAttribute(ctx, path.Root("name"), &name)...)
		if r.namespaced() {
			ds.Append(req.Identity.GetAttribute(ctx, path.Root("namespace"), &namespace)...)
			ref.Namespace = namespace.ValueString()
			switch {
			case r.scoped(false):
				ref.Kind = r.mainIs(ref.Namespace != "")
			case ref.Namespace == "" && r.provider != nil:
				ref.Namespace = r.provider.Namespace
			}
		}
		ref.Name = name.ValueString()
		return ref, ds
	}
	namespace, name, two := strings.Cut(req.ID, "/")
	ref.Kind = r.mainIs(two)
	switch {
	case r.scoped(true) && two && namespace != "" && name != "" && !strings.Contains(name, "/"):
		ref.Namespace, ref.Name = namespace, name
	case r.scoped(false) && !two && namespace != "":
		ref.Name = namespace
	default:
		ds.Append(diags.Message{
			Summary: clip(fmt.Sprintf("%q is not the id of a %s", req.ID, strings.ToLower(r.def.Noun))),
			Do:      fmt.Sprintf("The id has the form %s, for example: terraform import %s %s", r.idForm(), r.address(), map[bool]string{true: "ml/my-name", false: "my-name"}[r.scoped(true)]),
		}.Error())
	}
	return ref, ds
}
