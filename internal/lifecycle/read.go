package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// Read looks at the owned objects and reports what drifted. It writes nothing
// and waits for nothing.
func (r *Resource[M, P]) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	mem, ds := recall(ctx, req.Private)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	r.identify(r.mainOf(ctx, req.State, mem), resp.Identity)
	if r.provider != nil && r.provider.Unknown != "" {
		resp.Diagnostics.Append(diags.Message{
			Summary:  "The cluster is not known yet, so the state was not refreshed",
			Happened: fmt.Sprintf("The provider attribute %q is not known at this point.", r.provider.Unknown),
			Stands:   "The plan is made from the state as it is.",
		}.Warning())
		return
	}
	client, ds := r.connect(ctx, &mem)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	s, ok := req.State.Schema.(schema.Schema)
	if !ok {
		return
	}
	if !r.rightCluster(ctx, client, mem) {
		if r.provider.ClusterChanged == "recreate" {
			resp.State.RemoveResource(ctx)
			return
		}
		m, ds := decode[M](ctx, s, req.State.Raw)
		resp.Diagnostics.Append(ds...)
		if m != nil {
			resp.Diagnostics.Append(r.wrongCluster(r.title(P(m))))
		}
		return
	}
	resp.Diagnostics.Append(mem.mendFrom(ctx, req.State)...)
	r.nameRoles(&mem)
	if resp.Diagnostics.HasError() {
		return
	}
	refs := mem.refs(r.def.Owns)
	if len(refs) == 0 && mem.Claim == "" {
		// Moved here from another type of resource: as after an import, the object
		// is ours because the state says so.
		if ref := r.mainOf(ctx, req.State, mem); ref.Name != "" {
			refs, mem.moved = []kube.Ref{ref}, true
		}
	}
	live := map[kube.Ref]*kube.Object{}
	quiet := len(refs) > 0 && !mem.Pending
	for _, ref := range refs {
		o, err := client.Read(ctx, ref)
		if err != nil {
			resp.Diagnostics.Append(failure{title: ref.String(), ref: ref, verb: "read", err: err, stands: "The state is unchanged."}.diagnostics()...)
			return
		}
		if mem.knows(ref, o) {
			live[ref] = o
			if mem.lost || mem.moved {
				mem.Claim = claimOf(o)
			}
		}
		quiet = quiet && live[ref] != nil && fingerprint(o) == mem.fingerprint(ref)
	}
	quiet = quiet && r.asBefore(ctx, client, live[refs[0]], mem)
	if quiet {
		resp.Diagnostics.Append(r.noticed(ctx, s, req.State.Raw)...)
	}
	if quiet && r.def.Vanished == nil {
		return
	}
	if quiet {
		mem.LastSeen = r.clock.Now().UTC()
		resp.Diagnostics.Append(mem.store(ctx, resp.Private)...)
		return
	}
	m, ds := decode[M](ctx, s, req.State.Raw)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	if live[r.mainOf(ctx, req.State, mem)] == nil {
		// What is left without its main object is taken up when that is made anew.
		r.vanished(ctx, client, P(m), &mem, s, resp)
		return
	}
	var leftovers []kube.Ref
	if mem.lost {
		leftovers = r.leftovers(ctx, client, live[r.mainOf(ctx, req.State, mem)], mem)
	}
	raw, ds := r.restated(ctx, client, s, req.State.Raw, m, &mem, refs, live)
	resp.Diagnostics.Append(ds...)
	if resp.Diagnostics.HasError() {
		return
	}
	mem.Pending = mem.Pending || len(leftovers) > 0 // the next update makes them asked for, or gone
	resp.State.Raw = raw
	resp.Diagnostics.Append(r.noticed(ctx, s, raw)...)
	resp.Diagnostics.Append(mem.store(ctx, resp.Private)...)
}

// noticed is what the definition has to say of a state at each refresh.
func (r *Resource[M, P]) noticed(ctx context.Context, s schema.Schema, raw tftypes.Value) diag.Diagnostics {
	if r.def.Notice == nil {
		return nil
	}
	m, ds := decode[M](ctx, s, raw)
	if ds.HasError() {
		return ds
	}
	if msg := r.def.Notice(m); msg.Summary != "" {
		msg.Summary = clip(msg.Summary)
		ds.Append(msg.Warning())
	}
	return ds
}

// restated is the state after a look at objects of which some exist. What mem
// knew and the model no longer asks for stays known until it is gone.
func (r *Resource[M, P]) restated(ctx context.Context, client *kube.Client, s schema.Schema, prior tftypes.Value, m *M, mem *memory, refs []kube.Ref, live map[kube.Ref]*kube.Object) (tftypes.Value, diag.Diagnostics) {
	before := *mem
	seen := r.look(ctx, client, P(m), live)
	seen.Log = r.log(ctx, client, P(m), seen)
	raw, ds := r.refreshed(ctx, s, prior, m, mem, refs, seen)
	if ds.HasError() {
		return prior, ds
	}
	for ref := range live {
		if mem.find(ref).Name == "" {
			mem.Objects = append(mem.Objects, before.find(ref))
		}
	}
	return raw, ds
}

// mainOf is the main object of a state, without decoding all of it.
func (r *Resource[M, P]) mainOf(ctx context.Context, state tfsdk.State, mem memory) kube.Ref {
	if refs := mem.refs(r.mains()); len(refs) > 0 {
		return refs[0]
	}
	var id types.String
	ref := kube.Ref{Kind: r.def.Owns[0]}
	if state.GetAttribute(ctx, path.Root("id"), &id).HasError() {
		return ref
	}
	namespace, name, two := strings.Cut(id.ValueString(), "/")
	if !two {
		namespace, name = "", namespace
	}
	ref.Kind = r.mainIs(two)
	ref.Namespace, ref.Name = namespace, name
	return ref
}

// look gathers what Observe and Ready judge by.
func (r *Resource[M, P]) look(ctx context.Context, client *kube.Client, m P, live map[kube.Ref]*kube.Object) Seen {
	seen := Seen{Live: byKey(live), Now: r.clock.Now(), Beside: map[string][]*kube.Object{}}
	main := r.main(m)
	ns, known := r.around(live[main])
	for _, l := range r.def.Beside {
		if !known {
			continue
		}
		if found, ok := l.read(ctx, client, (*M)(m), live[main], ns, ownersIn(main, live)); ok {
			seen.Beside[l.Kind.Kind] = found
		}
	}
	seen.Lent = r.lent(ctx, client)
	if main.Kind == kube.Pod {
		seen.Pods = podsOf([]*kube.Object{live[main]})
		return seen
	}
	selector := r.selector(m)
	if selector == "" || !known {
		return seen
	}
	objects, err := client.ReadMatching(ctx, kube.Pod, ns, selector)
	if err != nil {
		// Pods only add to what the object itself says: without the right to list
		// them there is simply less to tell.
		return seen
	}
	seen.Pods = podsOf(objects)
	return seen
}

// selector is that of the pods of the main object; "" when it has none.
func (r *Resource[M, P]) selector(m P) string {
	if r.def.Pods == nil {
		return ""
	}
	return r.def.Pods((*M)(m))
}

func byKey(live map[kube.Ref]*kube.Object) kube.Live {
	out := kube.Live{}
	for ref, o := range live {
		if o != nil {
			out[ref.Key()] = o
		}
	}
	return out
}

func podsOf(objects []*kube.Object) []corev1.Pod {
	pods := make([]corev1.Pod, 0, len(objects))
	for _, o := range objects {
		var p corev1.Pod
		if o != nil && runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p) == nil {
			pods = append(pods, p)
		}
	}
	return pods
}

// refreshed is the state after a look at the cluster: drift, computed
// attributes, status and objects. It notes the objects in mem and clears the
// pending mark when what was waited for is there.
func (r *Resource[M, P]) refreshed(ctx context.Context, s schema.Schema, prior tftypes.Value, m *M, mem *memory, refs []kube.Ref, seen Seen) (tftypes.Value, diag.Diagnostics) {
	raw, ds := r.observe(ctx, s, prior, P(m), seen)
	if ds.HasError() {
		return prior, ds
	}
	if !raw.Equal(prior) {
		var dds diag.Diagnostics
		m, dds = decode[M](ctx, s, raw)
		ds.Append(dds...)
		if ds.HasError() {
			return prior, ds
		}
	}
	ds.Append(r.record(m, mem, refs, seen)...)
	verdict := r.judge(m, seen)
	if verdict.Outcome == wait.Done {
		mem.Pending = false
	}
	out, err := withComputed(ctx, s, raw, m)
	if err != nil {
		ds.Append(unrecorded(err))
		return prior, ds
	}
	return out, ds
}

// record fills the computed attributes of the model from what was seen.
func (r *Resource[M, P]) record(m *M, mem *memory, refs []kube.Ref, seen Seen) diag.Diagnostics {
	var ds diag.Diagnostics
	if r.def.Observe != nil {
		ds.Append(r.def.Observe(m, seen)...)
	}
	r.setStatus(P(m), r.judge(m, seen), seen)
	live := map[kube.Ref]*kube.Object{}
	var present []kube.Ref
	for _, ref := range refs {
		if o := seen.Live[ref.Key()]; o != nil && o.GetName() == ref.Name && o.GroupVersionKind().Group == ref.Kind.Group {
			live[ref] = o
			present = append(present, ref)
		}
	}
	mem.remember(refs, live)
	mem.Beside = fingerprintAll(r.apart(seen)) + seen.Lent.mark()
	mem.Incomplete = r.incomplete(P(m), live)
	mem.LastSeen = seen.Now.UTC()
	P(m).Base().Objects = objectsValue(present, func(ref kube.Ref) types.String {
		return types.StringValue(string(live[ref].GetUID()))
	})
	return ds
}

// incomplete reports whether an object the model asks for is missing, or one is
// there that it does not ask for: one that others have changed until no attribute
// says it any more, or that an update which failed has left. Where the
// configuration does not want it either, nothing else would plan to remove it.
func (r *Resource[M, P]) incomplete(m P, live map[kube.Ref]*kube.Object) bool {
	if len(r.def.Owns) == 1 {
		return false // without the one object nothing is recorded
	}
	want, ds := r.render(m, "")
	missing := slices.ContainsFunc(want, func(w rendered) bool { return live[w.ref] == nil })
	return !ds.HasError() && (missing || len(live) > len(want))
}

// judge is the verdict at the level the configuration waits for.
func (r *Resource[M, P]) judge(m *M, seen Seen) wait.Verdict {
	if r.def.Ready == nil {
		return wait.Of(wait.Done, "Active", "", "")
	}
	return r.def.Ready(m, seen, r.level(P(m)))
}

// vanished decides what becomes of a resource whose objects are gone.
func (r *Resource[M, P]) vanished(ctx context.Context, client *kube.Client, m P, mem *memory, s schema.Schema, resp *resource.ReadResponse) {
	fate, ds := r.fate(ctx, client, m, *mem)
	resp.Diagnostics.Append(ds...)
	if ds.HasError() {
		return
	}
	if fate.Warning.Summary != "" {
		resp.Diagnostics.Append(fate.Warning.Warning())
	}
	if !fate.Keep {
		resp.State.RemoveResource(ctx)
		return
	}
	mem.Pending = false
	if fate.Status.Phase != "" {
		r.setStatus(m, fate.Status, Seen{})
		raw, ds := encode(ctx, s, (*M)(m))
		resp.Diagnostics.Append(ds...)
		if ds.HasError() {
			return
		}
		resp.State.Raw = raw
	}
	resp.Diagnostics.Append(mem.store(ctx, resp.Private)...)
}

// fate asks the definition, telling it whether the namespace still exists.
func (r *Resource[M, P]) fate(ctx context.Context, client *kube.Client, m P, mem memory) (Fate, diag.Diagnostics) {
	if r.def.Vanished == nil {
		return Fate{}, nil
	}
	c := Circumstances{NamespaceExists: true, LastSeen: mem.LastSeen, Now: r.clock.Now()}
	if ns := r.namespace(m); ns != "" {
		exists, err := client.NamespaceExists(ctx, ns)
		if err != nil {
			return Fate{}, failure{title: r.title(m), ref: r.main(m), verb: "read", err: err, stands: "The state is unchanged."}.diagnostics()
		}
		c.NamespaceExists = exists
	}
	return r.def.Vanished((*M)(m), c), nil
}

// identify sets the resource identity: where the main object is.
func (r *Resource[M, P]) identify(main kube.Ref, id *tfsdk.ResourceIdentity) {
	if id != nil {
		id.Raw = r.identity(main)
	}
}

func (r *Resource[M, P]) identity(main kube.Ref) tftypes.Value {
	attrs := map[string]tftypes.Value{"name": tftypes.NewValue(tftypes.String, main.Name)}
	names := map[string]tftypes.Type{"name": tftypes.String}
	if r.namespaced() {
		attrs["namespace"] = tftypes.NewValue(tftypes.String, nil)
		if main.Kind.Namespaced || main.Namespace != "" {
			attrs["namespace"] = tftypes.NewValue(tftypes.String, main.Namespace)
		}
		names["namespace"] = tftypes.String
	}
	return tftypes.NewValue(tftypes.Object{AttributeTypes: names}, attrs)
}

// encode turns a model into a state.
func encode(ctx context.Context, s schema.Schema, m any) (tftypes.Value, diag.Diagnostics) {
	st := tfsdk.State{Schema: s, Raw: tftypes.NewValue(s.Type().TerraformType(ctx), nil)}
	ds := st.Set(ctx, m)
	return st.Raw, ds
}
