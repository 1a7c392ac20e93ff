package lifecycle

import (
	"context"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mlkube/terraform-provider-mlk/internal/diagnose"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// Definition is a resource: its schema, the objects it owns, and pure
// functions between model and objects. Reading, writing, waiting, state and
// import are done by the lifecycle, the same way for all.
type Definition[M any] struct {
	// Type is the type name without the provider's prefix: "training_job".
	Type string
	// Noun is how prose calls it: "Training job".
	Noun string
	// Schema returns the resource's own attributes and its description; the
	// lifecycle adds those of Common or Namespaced.
	Schema func() schema.Schema
	// Owns lists the kinds in the order they are applied. The first is the main
	// object: it bears the resource's name and its marks.
	Owns []kube.Kind

	// Roles are the kinds of which the resource may own a second object, by what that
	// is for: the one called "<name of the main object>-<role>". Its key is
	// "Deployment/canary", in kube.Live, in patch and in Fields.
	Roles map[string][]kube.Kind

	// Mains are the kinds the main object can be of where several engines can make
	// it, and Main is the one a model asks for. Nil: the first of Owns.
	Mains []kube.Kind
	Main  func(m *M) kube.Kind

	// Desired returns the objects the model asks for, as apply configurations
	// without marks, labels and annotations of Common, and patch: the lifecycle
	// adds them. The model is wholly known.
	Desired func(m *M) ([]runtime.ApplyConfiguration, diag.Diagnostics)
	// Fields says which attribute generated which field of Desired's objects.
	Fields func(m *M) diags.Fields
	// Written says the same where Fields names a Derived attribute: which one the user
	// wrote, or could write. Errors point there. Nil: what Fields says.
	Written func(m *M) diags.Fields
	// Adopt turns live objects into a model that, applied, would change
	// nothing. What it cannot say the lifecycle puts into patch. It serves
	// import and, attribute by attribute, drift. Where two ways of writing mean
	// the same it keeps that of prior, which is nil on import. Attributes of
	// Common and the namespace are filled by the lifecycle.
	Adopt func(live kube.Live, prior *M) (*M, diag.Diagnostics)
	// Observe fills the computed attributes other than those of Common. What
	// the cluster no longer shows keeps its value.
	Observe func(m *M, seen Seen) diag.Diagnostics
	// Ready judges what was seen against a level of wait_for. The level is one
	// of WaitFor; "" when the resource has none.
	Ready func(m *M, seen Seen, level string) wait.Verdict

	// WaitFor lists the levels wait_for accepts, the first being the default.
	// Nil for resources that have nothing to wait for.
	WaitFor []string
	// Timeouts are the default bounds of create, update and delete.
	Timeouts Timeouts
	// Replace lists the attributes that cannot change on the server: a change
	// in meaning is a new object.
	Replace []path.Path

	// Optional hooks; nil means nothing to do.

	// ObjectName is the name of the main object when it is not "name".
	ObjectName func(m *M) string
	// Notice is a warning that every refresh gives while the state is as it is; an
	// empty message is none.
	Notice func(m *M) diags.Message
	// Pods is the label selector of the pods that belong to the main object, in
	// its namespace. Of those only the ones count that it controls, and those that
	// nobody does. A main object that is a pod itself needs none.
	Pods func(m *M) string
	// Within is the namespace of what a cluster-wide main object is made of, by what it
	// says of that; "" while it says nothing. Its pods are there, those of what it
	// controls too, their events, and what is beside it.
	Within func(main *kube.Object) string
	// Wide reports whether the main object that is planned is cluster-wide, where
	// Mains are both: it is planned without a namespace. Unknown while that is open.
	Wide func(ctx context.Context, plan tfsdk.Plan) types.Bool
	// Lends tells the resources of nodes that the main object's pods give them: Ready
	// and Observe see what all nodes have to give of those.
	Lends func(resource corev1.ResourceName) bool
	// Derived are computed attributes that follow from the declared ones. They are
	// planned anew each time, so that the plan shows them, and Fields may name them:
	// then a change seen on the cluster is one to put right. One that is unknown is the
	// cluster's to say: it stays what it is until an update learns it.
	Derived map[string]func(m *M) attr.Value
	// Log says which log the state is to hold: of which container, and how many
	// of its last lines. No lines: it is not read.
	Log func(m *M) (container string, lines int64)
	// Beside are the objects of others that Ready and Observe look at: those that
	// the cluster makes of the resource's own, the Workload of a queue.
	Beside []Look[M]
	// Scalers are the owned kinds that set the number of pods of others. One that is
	// no longer asked for goes before anything else is written.
	Scalers []kube.Kind
	// Outdated reports whether a pod is of an earlier revision of the main object:
	// what is wrong with it does not end a wait.
	Outdated func(seen Seen, p *corev1.Pod) bool
	// Serving says what goes on working after an update that failed; "" for nothing.
	Serving func(m *M, seen Seen) string
	// Rollback reports whether an update that fails is to be taken back: what the
	// state before asked for is applied again.
	Rollback func(m *M) bool
	// Moving are the computed attributes that an update may change as it does
	// status, and that are not known before.
	Moving []string
	// PodTemplate is where the pod template is: "Job", "spec", "template".
	PodTemplate []string
	// Trusts reports whether at this level of wait_for the cluster's own
	// retries are left to end the wait, so that a crash is not yet a failure.
	Trusts func(level string) bool
	// Waits reports whether an update has something to wait for. Nil: always.
	// Where an earlier wait has not succeeded, every update waits.
	Waits func(prior, wanted *M) bool
	// Validate checks what the configuration alone decides and no validator of a
	// single attribute can see. Values may be unknown.
	Validate func(ctx context.Context, c tfsdk.Config) diag.Diagnostics
	// Plan adds what only this resource knows to the plan.
	Plan func(ctx context.Context, p *Planning[M])
	// Needs lists the kinds a planned object needs and not every cluster has.
	// Attributes may be unknown.
	Needs func(ctx context.Context, plan tfsdk.Plan) []Need
	// Survey looks at the cluster for what stands against a new object, and tells it in
	// the plan. It is asked once all that is declared is known; prior is nil in a
	// create, and what is replaced else. What it cannot read says nothing against a plan.
	Survey func(ctx context.Context, q *Query, prior, wanted *M) diag.Diagnostics
	// Standing says what helps where somebody else has an object that is to be made
	// beside the main one, and at which attribute: live, or in a plan the one that is to
	// be. A plan looks for those of which it says something, and refuses to take them. An
	// empty message says nothing.
	Standing func(m *M, live *kube.Object) diags.Message
	// Settle returns the model to compare with the live objects, and to apply
	// over them, when the cluster may hold more than the model asks for: a claim
	// that was made larger keeps its size. prior is the model of the state in an
	// update, nil in a comparison. It must not change m.
	Settle func(m, prior *M, live kube.Live) *M
	// Recast says how to change what the server never changes on the main object
	// by making it anew around what it controls; nil when there is no need. live
	// is the main object.
	Recast func(m *M, live *kube.Object) *Recast
	// Takes names the fields of the live main object that an update has to own before
	// it can write what is wanted: those that it is to remove although nobody owns
	// them, because the server filled them in.
	Takes func(m *M, live kube.Live) [][]string
	// Refused puts into the user's words what the server said when it refused a
	// write for a reason no field stands for. An empty message adds nothing.
	Refused func(m *M, said string) diags.Message
	// Companion finds, among all objects of an owned kind in the namespace, the one
	// that belongs to a main object that is imported, whatever it is called; nil
	// when none does.
	Companion func(main *kube.Object, k kube.Kind, all []*kube.Object) *kube.Object
	// Follows lists the owned kinds whose objects go with the main object: they
	// bear a reference to it, so that the cluster deletes them when the main object
	// is collected without us. We delete them after it. The main object's kind is none
	// of them.
	Follows []kube.Kind
	// Interim returns what is written first, and waited for, where some of what is
	// wanted may follow only then: a route that leads to pods. What it does not ask
	// for stays as it is meanwhile, also what is to go. Nil, as the hook and as its
	// answer: all is written at once. prior is nil in a create.
	Interim func(prior, wanted *M) *M
	// Heeds are the owned kinds, beside that of the main object, whose status Ready
	// looks at: a wait watches them.
	Heeds []kube.Kind
	// Renew names the pods that a wait is to end, so that the cluster makes them
	// anew: those that cannot go on without one that has failed.
	Renew func(m *M, seen Seen) []string
	// Vanished decides what becomes of a resource whose objects are all gone.
	// Nil forgets it, so that it is planned again.
	Vanished func(m *M, c Circumstances) Fate
	// Release says how an object is left behind instead of being deleted: a
	// merge patch to mark it, and the label selector and number of the
	// released objects to keep. A nil patch deletes. It may refuse the delete.
	Release func(m *M, live kube.Live) Released
	// Upgrades turn state of older schema versions into this one.
	Upgrades func() map[int64]resource.StateUpgrader
	// Moves turn state of other resource types into this one.
	Moves func() []resource.StateMover
}

// Timeouts bound create, update and delete where the configuration does not.
type Timeouts struct {
	Create, Update, Delete time.Duration
	// Levels bound create and update at levels of wait_for that need another time.
	Levels map[string]time.Duration
}

// Look says which objects of a kind, in the namespace of the main object, are to
// be seen beside it. They are never written.
type Look[M any] struct {
	Kind kube.Kind
	// Selector is their label selector, by what is asked for and by the main
	// object as it is; "" when there is nothing to look for. Nil selects all.
	Selector func(m *M, main *kube.Object) string
	// Controlled leaves out those that neither the main object controls nor another
	// of its kind that the resource owns.
	Controlled bool
	// Apart says that they change while the main object stays as it is, so that
	// every refresh looks at them. Their Selector gets no model.
	Apart bool
}

// ByMain is the Selector of a Look that asks the main object alone.
func ByMain[M any](selector func(main *kube.Object) string) func(*M, *kube.Object) string {
	return func(_ *M, main *kube.Object) string { return selector(main) }
}

// Seen is what the cluster showed of a resource at one moment.
type Seen struct {
	// Live are the owned objects that exist.
	Live kube.Live
	// Pods are the pods Definition.Pods selects; nil when they were not asked for.
	Pods []corev1.Pod
	// Beside are the objects that Definition.Beside asks for, by kind; a kind that
	// could not be read, or has nothing to look for, has no entry.
	Beside map[string][]*kube.Object
	// Lent is what the nodes have to give of what Definition.Lends tells; nil when it
	// could not be read.
	Lent *Lending
	// Events are the events of the main object's namespace, during waits only.
	Events []corev1.Event
	// Log is the end of the log that Definition.Log asks for, of the newest pod;
	// nil when there is none, or it could not be read. It is there for Observe only.
	Log *string
	Now time.Time
}

// Queued is what a queue says of the main object it holds back: a reason in one
// word and a sentence; "" when there is no queue, or it has not said anything.
func (s Seen) Queued() (reason, message string) {
	return diagnose.Queued(s.Beside[kube.QueuedWorkload.Kind])
}

// Planning is one plan of a resource, as far as the lifecycle has got: names,
// semantic equality and replacement are settled.
type Planning[M any] struct {
	// Config, State and Plan give single attributes, unknown ones too. State is
	// null on create, Plan on destroy.
	Config tfsdk.Config
	State  tfsdk.State
	Plan   *tfsdk.Plan
	// Prior is the model of the state; nil on create.
	Prior *M
	// Wanted is the model of the plan, with computed attributes still null;
	// nil on destroy and while an input is unknown.
	Wanted *M
	// Changed reports whether the declared attribute at p differs in meaning
	// from the state; true on create.
	Changed func(p path.Path) bool
	// Create, Destroy and Replace say what kind of plan this is; Replace may be
	// set by the hook.
	Create, Destroy, Replace bool
	// RequiresReplace are the attributes that force replacement; append here.
	RequiresReplace path.Paths
	Diagnostics     diag.Diagnostics
}

// Circumstances are what is known when all objects of a resource are gone.
type Circumstances struct {
	// NamespaceExists is whether the namespace of the main object still exists.
	NamespaceExists bool
	// LastSeen is when the objects were last seen by this state.
	LastSeen time.Time
	Now      time.Time
}

// Fate is what becomes of a vanished resource.
type Fate struct {
	// Keep leaves the resource in the state as it is, without its objects.
	Keep bool
	// Status, when it has a Phase, replaces the status of a kept resource.
	Status wait.Verdict
	// Warning is told to the user when it has a Summary.
	Warning diags.Message
}

// Released is how an object is left behind on delete.
type Released struct {
	// Refuse, when it has a Summary, is why the object must not be deleted. It
	// catches what no plan of the resource sees: -replace and tainted resources.
	Refuse diags.Message
	// Patch is the merge patch that marks the object; nil deletes it.
	Patch map[string]any
	// Selector and Keep bound how many released objects stay; the oldest go first.
	Selector string
	Keep     int
}
