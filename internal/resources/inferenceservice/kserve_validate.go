package inferenceservice

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// The names KServe takes, with room for what it appends to them.
var servedName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

const longestServed = 63 - len("-predictor")

// refusal is an attribute that says nothing to KServe, and what to do instead.
type refusal struct {
	at           path.Path
	summary, why string
	do           string
}

// unserved are the attributes that an InferenceService has no field for.
func unserved() []refusal {
	const makes = "KServe makes it itself, as the ConfigMap inferenceservice-config of its namespace says."
	return []refusal{
		{servicePath, "An InferenceService has no Service of its own to set", makes, "Remove service: KServe leads port 80 of the Service <name>-predictor to the port called http, or else the first of ports."},
		{ingressPath, "An InferenceService has no Ingress of its own to set", makes, "Remove ingress: url is the address that KServe gives the service."},
		{routePath, "An InferenceService has no HTTPRoute of its own to set", makes, "Remove route: url is the address that KServe gives the service."},
		{canaryPath, "An InferenceService has no canary of mlk's", "A canary is a Deployment and a share of an HTTPRoute beside those that KServe makes.", "Remove canary and say KServe's in patch = { InferenceService = { spec = { canary = … } } }, or use engine = \"deployment\"."},
		{multiNodePath, "multi_node makes a LeaderWorkerSet, and engine = \"kserve\" an InferenceService", "A service is one of them.", "Remove engine, or remove multi_node and say KServe's in patch = { InferenceService = { spec = { predictor = { workerSpec = … } } } }."},
		{selectorPath, "KServe chooses the labels by which it knows the pods", "They are serving.kserve.io/inferenceservice and app.", "Remove selector; further labels go into pod_labels."},
		{scalingPath.AtName("keda"), "An InferenceService has no triggers of KEDA's", "With the autoscaler class keda KServe makes the ScaledObject from metrics of its own form.", "Remove keda, and say it in KServe's words: annotations = { \"serving.kserve.io/autoscalerClass\" = \"keda\" } and patch = { InferenceService = { spec = { predictor = { autoScaling = … } } } }."},
		{scalingPath.AtName("name"), "KServe names the autoscaler itself", "It is called <name>-predictor.", "Remove autoscaling.name."},
		{scalingPath.AtName("pods_metrics"), "KServe scales by CPU and memory alone", "Its autoscaler of class hpa takes no metrics of pods.", "Use cpu_percent or memory_percent, or engine = \"deployment\"."},
		{scalingPath.AtName("external_metrics"), "KServe scales by CPU and memory alone", "Its autoscaler of class hpa takes no metrics of other things.", "Use cpu_percent or memory_percent, or engine = \"deployment\"."},
		{scalingPath.AtName("behavior"), "KServe leaves the behavior of its autoscaler to Kubernetes", "Its autoscaler of class hpa has no field for it.", "Remove autoscaling.behavior, or use engine = \"deployment\"."},
		{scalingPath.AtName("tolerance"), "KServe leaves the tolerance of its autoscaler to Kubernetes", "Its autoscaler of class hpa has no field for it.", "Remove autoscaling.tolerance, or use engine = \"deployment\"."},
		{rolloutPath.AtName("min_ready_seconds"), "An InferenceService cannot say min_ready_seconds", "Of its Deployment it says the strategy alone.", "Remove rollout.min_ready_seconds, or use engine = \"deployment\"."},
		{rolloutPath.AtName("progress_deadline_seconds"), "An InferenceService cannot say progress_deadline_seconds", "Of its Deployment it says the strategy alone. A rollout that takes longer than Kubernetes' ten minutes goes on, and so does an apply that waits for it.", "Remove it. How long an apply waits is timeouts.update."},
		{rolloutPath.AtName("revision_history_limit"), "An InferenceService cannot say revision_history_limit", "Of its Deployment it says the strategy alone.", "Remove rollout.revision_history_limit, or use engine = \"deployment\"."},
	}
}

// unloaded are those that say nothing where KServe's runtime serves the model.
func unloaded() []refusal {
	const brings = "With kserve the serving runtime brings the server, and KServe loads the model to /mnt/models."
	return []refusal{
		{runtimePath, "kserve and runtime name two servers", brings, "Remove runtime: kserve.runtime names the serving runtime. Or remove kserve to run the server of image."},
		{modelPath.AtName("name"), "KServe names the model itself", brings + " Requests call it by the name of the service.", "Remove model.name, or tell the runtime: args = [\"--model_name=…\"]."},
		{modelPath.AtName("mount_path"), "KServe chooses where the model lies", brings, "Remove model.mount_path."},
		{modelPath.AtName("token_secret"), "KServe takes credentials from the service account", brings, "Remove model.token_secret and set service_account to one that has the Secret; a token of Hugging Face's hub may be a variable: env_value_from = { HF_TOKEN = { secret = { name = …, key = … } } }."},
		{modelPath.AtName("loader_image"), "KServe chooses what loads the model", brings, "Remove model.loader_image; patch = { InferenceService = { spec = { predictor = { storageContainerName = … } } } } names another loader."},
	}
}

// given returns what of the refusals a configuration says.
func given(ctx context.Context, c tfsdk.Config, all []refusal) []diags.Message {
	var out []diags.Message
	for _, r := range all {
		var v attr.Value
		if c.GetAttribute(ctx, r.at, &v).HasError() || v == nil || !diags.Given(v) {
			continue // what is unknown may be null
		}
		out = append(out, diags.Message{Summary: r.summary, Happened: r.why, Do: r.do, At: r.at})
	}
	return out
}

// validateEngine checks what an engine has no field for, and what it needs. It reports
// whether the engine is KServe, or may be.
func validateEngine(ctx context.Context, c tfsdk.Config) (kserve bool, ds diag.Diagnostics) {
	var engine, image, name, container types.String
	var served, groups types.Object
	for at, into := range map[string]any{"engine": &engine, "image": &image, "name": &name, "container_name": &container, "kserve": &served, "multi_node": &groups} {
		ds.Append(c.GetAttribute(ctx, path.Root(at), into)...)
	}
	if ds.HasError() || engine.IsUnknown() {
		return true, ds
	}
	var out []diags.Message
	switch {
	case engineMeant(engine) != engineKServe:
		out = notServed(engine, image, served, groups)
	default:
		out = given(ctx, c, unserved())
		if diags.Given(served) {
			out = append(out, given(ctx, c, unloaded())...)
		}
		out = append(out, servedTroubles(ctx, c, image, name, container, served)...)
	}
	for _, m := range out {
		ds.Append(m.Error())
	}
	return engineMeant(engine) == engineKServe, ds
}

// notServed are the troubles of a service that is no InferenceService.
func notServed(engine, image types.String, served, groups types.Object) []diags.Message {
	var out []diags.Message
	if image.IsNull() {
		out = append(out, diags.Message{
			Summary:  "image is missing",
			Happened: "Only a serving runtime of KServe (engine = \"kserve\", kserve) has an image of its own.",
			Do:       "Set image to that of the model server.",
			At:       path.Root("image"),
		})
	}
	if diags.Given(served) {
		out = append(out, diags.Message{
			Summary: "kserve needs engine = \"kserve\"",
			Do:      "Set engine = \"kserve\", or remove kserve.",
			At:      kservePath,
		})
	}
	if diags.Given(groups) && !engine.IsNull() {
		out = append(out, diags.Message{
			Summary: "multi_node makes a LeaderWorkerSet, and no Deployment",
			Do:      "Remove engine.",
			At:      enginePath,
		})
	}
	return out
}

// servedTroubles are those of names and images.
func servedTroubles(ctx context.Context, c tfsdk.Config, image, name, container types.String, served types.Object) []diags.Message {
	var out []diags.Message
	if n := name.ValueString(); diags.Given(name) && (!servedName.MatchString(n) || len(n) > longestServed) {
		out = append(out, diags.Message{
			Summary:  fmt.Sprintf("%q cannot be the name of an InferenceService", n),
			Happened: fmt.Sprintf("KServe takes at most %d lower-case letters, digits and -, beginning with a letter: its Service is called <name>-predictor.", longestServed),
			Do:       "Choose another name.",
			At:       path.Root("name"),
		})
	}
	if n := container.ValueString(); n != "" && n != kube.ServingContainer {
		out = append(out, diags.Message{
			Summary:  fmt.Sprintf("The main container of an InferenceService is called %q", kube.ServingContainer),
			Happened: fmt.Sprintf("container_name is %q.", n),
			Do:       "Remove container_name.",
			At:       path.Root("container_name"),
		})
	}
	var patch types.Dynamic
	said := c.GetAttribute(ctx, path.Root("patch"), &patch).HasError() || !patch.IsNull()
	if image.IsNull() && served.IsNull() && !said {
		out = append(out, diags.Message{
			Summary:  "The InferenceService would serve nothing",
			Happened: "Neither image says which server runs, nor kserve which model a serving runtime is to serve.",
			Do:       "Set image, or kserve = { model_format = \"huggingface\" } and model = { source = \"hf://…\" }.",
			At:       enginePath,
		})
	}
	return out
}

// needsKServe is the need of a planned service for KServe.
func needsKServe(ctx context.Context, plan tfsdk.Plan) []lifecycle.Need {
	var engine types.String
	if plan.GetAttribute(ctx, enginePath, &engine).HasError() || engineMeant(engine) != engineKServe {
		return nil
	}
	return []lifecycle.Need{{Kind: kube.InferenceService, Missing: diags.Message{
		Summary:  "This cluster has no InferenceService API",
		Happened: "engine = \"kserve\" makes an InferenceService of " + kube.InferenceService.APIVersion() + ", which the cluster does not serve.",
		Do: "Install KServe in Standard mode (https://kserve.github.io/website); if this very configuration installs it, apply that part first, with -target.\n" +
			"Or remove engine: a Deployment runs everywhere.",
		At: enginePath,
	}}}
}

// planEngine makes another service of another engine.
func planEngine(ctx context.Context, p *lifecycle.Planning[Model]) {
	var engine types.String
	if p.Prior == nil || p.Destroy || p.Config.GetAttribute(ctx, enginePath, &engine).HasError() || engine.IsUnknown() {
		return
	}
	if engineMeant(engine) != engineMeant(p.Prior.Engine) {
		p.RequiresReplace.Append(enginePath)
		p.Replace = true
	}
}

// planServed tells of the limits that KServe writes where a container names none: a model
// does not fit into them.
func planServed(p *lifecycle.Planning[Model]) {
	m := p.Wanted
	resources := path.Root("resources")
	if !m.byKServe() || m.KServe != nil || m.Image.IsNull() || !p.Create && !p.Changed(resources) && !p.Changed(enginePath) {
		return
	}
	named := func(name string) bool { return m.Resources != nil && !m.Resources.Limits[name].IsNull() }
	if named(metricMemory) {
		return
	}
	p.Diagnostics.Append(diags.Message{
		Summary:  fmt.Sprintf("KServe limits the memory of Inference service %q", m.Namespace.ValueString()+"/"+m.Name.ValueString()),
		Happened: "resources.limits names no memory. KServe gives a container that names none limits of its own, 2Gi of memory and one CPU unless the platform has configured others, and a server that loads more is killed.",
		Do:       "Name what it needs: resources = { limits = { cpu = …, memory = … } }.",
		At:       resources,
	}.Warning())
}

// surveyServing tells in the plan of a serving runtime that is not there, or of a model
// that none takes.
func surveyServing(ctx context.Context, q *lifecycle.Query, _, wanted *Model) diag.Diagnostics {
	if !wanted.byKServe() || wanted.KServe == nil {
		return nil
	}
	k, namespace := wanted.KServe, wanted.Namespace.ValueString()
	name, anyone := k.Runtime.ValueString(), k.Runtime.IsNull()
	var there, takes []string
	for _, in := range []struct {
		kind      kube.Kind
		namespace string
	}{{kube.ServingRuntime, namespace}, {kube.ClusterServingRuntime, ""}} { // the namespace's own comes first
		all, ds := q.List(ctx, in.kind, in.namespace, "")
		if ds.HasError() {
			return nil // what may not be read says nothing against a plan
		}
		for _, o := range all {
			off, _, _ := unstructured.NestedBool(o.Object, "spec", "disabled")
			fits, formats := k.fits(o)
			switch {
			case o.GetName() == name && off:
				return diag.Diagnostics{diags.Message{
					Summary: fmt.Sprintf("The serving runtime %q is disabled", name),
					Do:      "Name another one in kserve.runtime, or have it enabled: spec.disabled of " + in.kind.Kind + " " + name + ".",
					At:      kservePath.AtName("runtime"),
				}.Error()}
			case (o.GetName() == name || anyone && !off) && fits:
				return nil
			case o.GetName() == name:
				return diag.Diagnostics{k.unfit(fmt.Sprintf("The serving runtime %q does not take", name), formats).Error()}
			case !off:
				there, takes = append(there, o.GetName()), append(takes, formats...)
			}
		}
	}
	if anyone {
		return diag.Diagnostics{k.unfit("No serving runtime by itself takes", takes).Error()}
	}
	slices.Sort(there)
	return diag.Diagnostics{noServingRuntime(name, namespace, slices.Compact(there)).Error()}
}

// fits reports whether a serving runtime takes the model, and which formats it takes:
// KServe compares their names, and the versions where the service asks for one. A
// runtime that is not named is found by those formats alone that allow it.
func (k *KServe) fits(runtime *kube.Object) (fits bool, takes []string) {
	formats, _, _ := unstructured.NestedSlice(runtime.Object, "spec", "supportedModelFormats")
	for _, f := range formats {
		format, _ := f.(map[string]any)
		name, _ := format["name"].(string)
		version, _ := format["version"].(string)
		if found, _ := format["autoSelect"].(bool); !found && k.Runtime.IsNull() {
			continue
		}
		takes = append(takes, strings.TrimSpace(name+" "+version))
		fits = fits || name == k.ModelFormat.ValueString() && (k.ModelVersion.IsNull() || version == k.ModelVersion.ValueString())
	}
	return fits, takes
}

// unfit is what a user is told of a model that nothing takes.
func (k *KServe) unfit(who string, takes []string) diags.Message {
	asked := fmt.Sprintf("%q", k.ModelFormat.ValueString())
	if !k.ModelVersion.IsNull() {
		asked += " of version " + k.ModelVersion.ValueString()
	}
	msg := diags.Message{
		Summary:  who + " models of format " + asked,
		Happened: "KServe would make no pods for it.",
		Do:       "Correct kserve.model_format, or name a runtime that takes it in kserve.runtime.",
		At:       kservePath.AtName("model_format"),
	}
	slices.Sort(takes)
	const most = 16
	if takes = slices.Compact(takes); len(takes) > most {
		takes = append(takes[:most], "and more")
	}
	if len(takes) > 0 {
		msg.Happened += " What is taken: " + strings.Join(takes, ", ") + "."
	}
	return msg
}

// noServingRuntime is what a user is told of a runtime that does not exist; there are
// the names of those that do.
func noServingRuntime(name, namespace string, there []string) diags.Message {
	msg := diags.Message{
		Summary:  fmt.Sprintf("The serving runtime %q does not exist", name),
		Happened: fmt.Sprintf("Namespace %s has no ServingRuntime of that name, and the cluster no ClusterServingRuntime.", namespace),
		Do: "Name another one in kserve.runtime, or remove it to let KServe find one for kserve.model_format. KServe's own runtimes come apart from its controller; " +
			"if this very configuration makes it, apply that part first, with -target.",
		At: kservePath.AtName("runtime"),
	}
	const most = 8
	if n := len(there); n > 0 {
		names := strings.Join(there[:min(n, most)], ", ")
		if n > most {
			names += fmt.Sprintf(" and %d more", n-most)
		}
		msg.Happened += fmt.Sprintf(" There are: %s.", names)
	}
	return msg
}
