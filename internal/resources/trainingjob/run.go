package trainingjob

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	batchv1 "k8s.io/api/batch/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/distributed"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/jobspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// hashLength is 40 bits in base32: short enough to read, and among ten
// thousand runs of one name two are alike with a chance of 1 in 20,000.
const hashLength = 8

// makers are the attributes that make a run, besides name, run_name and the
// part of patch that is about the same fields.
func makers() []string {
	return slices.Concat(podspec.Names(), jobspec.Frozen(), append(judged(), "triggers", "training_runtime"))
}

// judged are the makers of which only a look at the value tells whether they
// make another run: they have a default, or move with another attribute.
func judged() []string {
	return []string{"restart_policy", "completion_mode", "completions", distributed.Root, "engine"}
}

// runName is the name of the run that a configuration makes. A test pins it:
// a provider that named runs otherwise would run finished ones again.
func runName(name string, inputs map[string]attr.Value) (string, error) {
	tree := map[string]any{}
	for _, n := range makers() {
		if v := canonical(inputs[n], false); v != nil {
			tree[n] = v
		}
	}
	if tree["restart_policy"] == jobspec.RestartNever {
		delete(tree, "restart_policy")
	}
	if tree["completion_mode"] == string(batchv1.NonIndexedCompletion) {
		delete(tree, "completion_mode")
	}
	if tree["engine"] == engineJob {
		delete(tree, "engine")
	}
	if inSet(inputs) {
		for _, n := range frozenInSet() {
			if v := canonical(inputs[n], false); v != nil {
				tree[n] = v
			}
		}
	}
	if resizable(inputs) {
		delete(tree, "completions")
	}
	if gang := distributed.Frozen(inputs[distributed.Root]); gang != nil && !inSet(inputs) {
		tree[distributed.Root] = canonicalMap(gang, false)
	}
	if p := frozenPatch(inputs["patch"]); len(p) > 0 {
		tree["patch"] = p
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	hash := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:hashLength]
	return name + "-" + hash, nil
}

// resizable reports whether the number of pods can change while the run exists:
// in an indexed Job all of whose indexes run at a time.
func resizable(inputs map[string]attr.Value) bool {
	mode, _ := inputs["completion_mode"].(types.String)
	n, _ := inputs["completions"].(types.Int32)
	at, _ := inputs["parallelism"].(types.Int32)
	return mode.ValueString() == jobspec.Indexed && !n.IsNull() && !n.IsUnknown() && n.Equal(at)
}

// plan names the run, and replaces it where what makes it changes.
func plan(ctx context.Context, p *lifecycle.Planning[Model]) {
	if p.Destroy {
		return
	}
	names := append(makers(), "name", "run_name", "patch")
	inputs := make(map[string]attr.Value, len(names))
	for _, n := range append(slices.Clone(names), frozenInSet()...) {
		var v attr.Value
		p.Diagnostics.Append(p.Config.GetAttribute(ctx, path.Root(n), &v)...)
		inputs[n] = v
	}
	if p.Diagnostics.HasError() {
		return
	}
	if inSet(inputs) {
		names = append(names, frozenInSet()...)
	}
	unknown := unknownInputs(names, inputs)
	declared := !inputs["run_name"].IsNull()
	if p.Create {
		if !declared {
			nameRun(ctx, p, inputs, len(unknown) > 0)
		}
		return
	}
	if len(unknown) > 0 {
		for _, at := range unknown {
			p.RequiresReplace.Append(path.Root(rootOf(at)))
		}
		p.Diagnostics.Append(unknownInput(p.Prior, unknown).Warning())
	}
	changed := replaceByValue(ctx, p, inputs)
	if !declared {
		for _, n := range append(makers(), "name") {
			changed = changed || !slices.Contains(judged(), n) && p.Changed(path.Root(n))
		}
		if !changed && len(unknown) == 0 && !p.Prior.RunName.IsNull() {
			setRunName(ctx, p, p.Prior.RunName)
		} else {
			nameRun(ctx, p, inputs, len(unknown) > 0)
		}
	}
	var planned types.String
	p.Diagnostics.Append(p.Plan.GetAttribute(ctx, path.Root("run_name"), &planned)...)
	if !planned.Equal(p.Prior.RunName) {
		p.RequiresReplace.Append(path.Root("run_name"))
	}
	if len(p.RequiresReplace) > 0 {
		p.Replace = true
	} else if p.Changed(path.Root("suspend")) {
		// A resumed run starts anew as far as the Job's status is concerned.
		p.Diagnostics.Append(p.Plan.SetAttribute(ctx, path.Root("start_time"), types.StringUnknown())...)
	}
}

// replaceByValue asks for replacement where only a look at the values tells:
// restart_policy and completion_mode have a default, completions may move with
// parallelism, and a gang and patch may say things that change in place.
func replaceByValue(ctx context.Context, p *lifecycle.Planning[Model], inputs map[string]attr.Value) bool {
	var priorPatch attr.Value
	p.Diagnostics.Append(p.State.GetAttribute(ctx, path.Root("patch"), &priorPatch)...)
	changed := false
	for n, meaning := range map[string]func(types.String) string{"restart_policy": jobspec.RestartPolicy, "completion_mode": jobspec.CompletionMode, "engine": engineMeant} {
		var prior types.String
		p.Diagnostics.Append(p.State.GetAttribute(ctx, path.Root(n), &prior)...)
		if v, ok := inputs[n].(types.String); ok && !v.IsUnknown() && meaning(v) != meaning(prior) {
			p.RequiresReplace.Append(path.Root(n))
			changed = true
		}
	}
	if inSet(inputs) {
		for _, n := range append(frozenInSet(), "completions", distributed.Root) {
			if p.Changed(path.Root(n)) {
				p.RequiresReplace.Append(path.Root(n))
				changed = true
			}
		}
	}
	if p.Changed(path.Root("completions")) && !resizable(inputs) {
		p.RequiresReplace.Append(path.Root("completions"))
		changed = true
	}
	var priorGang attr.Value
	p.Diagnostics.Append(p.State.GetAttribute(ctx, path.Root(distributed.Root), &priorGang)...)
	if !reflect.DeepEqual(distributed.Frozen(inputs[distributed.Root]), distributed.Frozen(priorGang)) {
		p.RequiresReplace.Append(path.Root(distributed.Root))
		changed = true
	}
	if p.Changed(path.Root("patch")) && !reflect.DeepEqual(frozenPatch(inputs["patch"]), frozenPatch(priorPatch)) {
		p.RequiresReplace.Append(path.Root("patch"))
		changed = true
	}
	return changed
}

func nameRun(ctx context.Context, p *lifecycle.Planning[Model], inputs map[string]attr.Value, unknown bool) {
	if unknown {
		setRunName(ctx, p, types.StringUnknown())
		return
	}
	name, ok := inputs["name"].(types.String)
	if !ok {
		return
	}
	run, err := runName(name.ValueString(), inputs)
	if err != nil {
		p.Diagnostics.Append(diags.Message{Summary: "The run cannot be named", Why: err.Error(), At: path.Root("run_name")}.Error())
		return
	}
	setRunName(ctx, p, types.StringValue(run))
}

func setRunName(ctx context.Context, p *lifecycle.Planning[Model], run types.String) {
	p.Diagnostics.Append(p.Plan.SetAttribute(ctx, path.Root("run_name"), run)...)
	if p.Wanted != nil {
		p.Wanted.RunName = run
	}
}

// unknownInput warns that a run is replaced because of what is not known yet.
func unknownInput(prior *Model, unknown []path.Path) diags.Message {
	const most = 5
	var names []string
	for _, at := range unknown[:min(len(unknown), most)] {
		names = append(names, at.String())
	}
	if more := len(unknown) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return diags.Message{
		Summary: fmt.Sprintf("Training job %q is run again: an input is not known yet", prior.Name.ValueString()),
		Happened: fmt.Sprintf("%s: known only after something else in the same apply. It is part of what makes the run, "+
			"and Kubernetes changes no Job's pod, so the plan replaces run %s.", strings.Join(names, ", "), prior.RunName.ValueString()),
		Do: "To keep the run, apply the other change first (terraform apply -target), or set the attribute to something known at plan.",
		At: unknown[0],
	}
}

// vanished decides about a run whose Job is gone. A finished run is kept: it is
// not run again because it was tidied away.
func vanished(m *Model, c lifecycle.Circumstances) lifecycle.Fate {
	switch phaseOf(m) {
	case phaseComplete, phaseFailed, phaseUnknown:
		return lifecycle.Fate{Keep: true}
	}
	if !m.CompletionTime.IsNull() {
		return lifecycle.Fate{Keep: true}
	}
	ttl := m.TTLSecondsAfterFinished
	if ttl.IsNull() || !c.NamespaceExists || c.Now.Before(c.LastSeen.Add(time.Duration(ttl.ValueInt32())*time.Second)) {
		return lifecycle.Fate{}
	}
	const message = "The Job is gone, and nobody saw how the run ended"
	return lifecycle.Fate{
		Keep:   true,
		Status: wait.Of(wait.Done, phaseUnknown, "TTLExpired", message),
		Warning: diags.Message{
			Summary: fmt.Sprintf("Nobody saw how training job %q ended", m.Name.ValueString()),
			Happened: fmt.Sprintf("Job %s/%s no longer exists. It was last seen unfinished at %s, and may since have finished and been deleted after ttl_seconds_after_finished = %d.",
				m.Namespace.ValueString(), m.RunName.ValueString(), c.LastSeen.UTC().Format(time.RFC3339), ttl.ValueInt32()),
			Stands: "The run stays in the state with status.phase = \"Unknown\" and is not run again.",
			Do:     "Change triggers to run it again. A larger ttl_seconds_after_finished, or wait_for = \"completed\", lets Terraform see the end of the next run.",
		},
	}
}

// phaseOf is the phase the state last recorded.
func phaseOf(m *Model) string {
	phase, ok := m.Status.Attributes()["phase"].(types.String)
	if !ok {
		return ""
	}
	return phase.ValueString()
}

// release leaves a finished run behind when keep_runs asks for it: it loses the
// mark of its owner, so that nothing takes it for a run of the configuration.
func release(m *Model, live kube.Live) lifecycle.Released {
	keep := m.KeepRuns.ValueInt32()
	if keep <= 0 {
		return lifecycle.Released{}
	}
	v := ready(m, lifecycle.Seen{Live: live}, levelCompleted)
	if v.Phase != phaseComplete && v.Phase != phaseFailed {
		return lifecycle.Released{}
	}
	name := m.Name.ValueString()
	return lifecycle.Released{
		Patch: map[string]any{"metadata": map[string]any{"labels": map[string]any{
			lifecycle.KeptLabel: name, lifecycle.OwnerLabel: nil,
		}}},
		Selector: lifecycle.KeptLabel + "=" + name,
		Keep:     int(keep),
	}
}
