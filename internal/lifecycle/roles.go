package lifecycle

import (
	"context"
	"maps"
	"slices"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// roleOf is the role of an object beside a main one; "" for the first of its kind.
// It follows from the name, so that it is known of objects that nothing but their
// name is known of: those of a state whose private part was lost, and those of a
// process that died.
func (r *Resource[M, P]) roleOf(main string, k kube.Kind, name string) string {
	for _, role := range slices.Sorted(maps.Keys(r.def.Roles)) {
		if name == main+"-"+role && slices.Contains(r.def.Roles[role], k) {
			return role
		}
	}
	return ""
}

// refOf names an object of a kind beside a main one.
func (r *Resource[M, P]) refOf(main string, k kube.Kind, namespace, name string) kube.Ref {
	return kube.Ref{Kind: k, Namespace: namespace, Name: name, Role: r.roleOf(main, k, name)}
}

// keys are those of all objects the resource may own, in the order they are
// applied in.
func (r *Resource[M, P]) keys() []string {
	var out []string
	for _, k := range r.def.Owns {
		if !slices.Contains(out, k.Kind) { // two projects may have called theirs alike
			out = append(out, k.Kind)
		}
		for _, role := range slices.Sorted(maps.Keys(r.def.Roles)) {
			if slices.Contains(r.def.Roles[role], k) {
				out = append(out, k.Key(role))
			}
		}
	}
	return out
}

// order is the position of an object among those that are applied.
func (r *Resource[M, P]) order(ref kube.Ref) int { return slices.Index(r.keys(), ref.Key()) }

// roled reports whether the resource may own a second object of the kind.
func (r *Resource[M, P]) roled(k kube.Kind) bool {
	for _, kinds := range r.def.Roles {
		if slices.Contains(kinds, k) {
			return true
		}
	}
	return false
}

// nameRoles fills the roles of what a memory was mended with: a state lists its
// objects without them, the main one first.
func (r *Resource[M, P]) nameRoles(mem *memory) {
	if len(r.def.Roles) == 0 || len(mem.Objects) == 0 {
		return
	}
	for i, o := range mem.Objects {
		for _, k := range r.def.Owns {
			if k.Kind == o.Kind {
				mem.Objects[i].Role = r.roleOf(mem.Objects[0].Name, k, o.Name)
			}
		}
	}
}

// secondsOf are the objects with a role that were made together with a main object:
// what others have called so is theirs. What this user may not read is none.
func (r *Resource[M, P]) secondsOf(ctx context.Context, client *kube.Client, main kube.Ref, live *kube.Object) map[kube.Ref]*kube.Object {
	out := map[kube.Ref]*kube.Object{}
	for role, kinds := range r.def.Roles {
		for _, k := range kinds {
			ref := kube.Ref{Kind: k, Namespace: main.Namespace, Name: main.Name + "-" + role, Role: role}
			o, err := client.Get(ctx, ref)
			if err != nil || o == nil || o.GetDeletionTimestamp() != nil {
				continue
			}
			if owner := o.GetLabels()[OwnerLabel]; owner != "" && owner == live.GetLabels()[OwnerLabel] {
				out[ref] = o
			}
		}
	}
	return out
}
