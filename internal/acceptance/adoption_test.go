package acceptance_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
)

// lastApplied is kubectl's own note on what it applies. It goes with the first
// write of another owner: nobody keeps it true any more.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// defaultClass is what the attribute default of a storage class says.
const defaultClass = "storageclass.kubernetes.io/is-default-class"

// TestAccAdoption imports what kubectl created with the configuration Terraform
// generates, as it stands, and then owns it: what the configuration drops goes,
// what it changes changes, and nothing else does.
func TestAccAdoption(t *testing.T) { //nolint:paralleltest // it is, in adoptAll
	adoptAll(t, false)
}

// TestAccEngineAdoption is that of the kinds of engines, while these are at work.
func TestAccEngineAdoption(t *testing.T) { //nolint:paralleltest // it is, in adoptAll
	adoptAll(t, true)
}

func adoptAll(t *testing.T, engines bool) {
	t.Helper()
	t.Parallel()
	for name, dir := range manifestFolders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			acc := testkit.NewAcceptance(t)
			manifests := readManifests(t, dir, acc.Namespace, engines)
			adopted := create(t, acc, manifests)
			if dir == ownManifests && len(adopted) != len(manifests) {
				t.Errorf("the server accepts %d of our %d manifests", len(adopted), len(manifests))
			}
			t.Logf("%d of %d manifests are accepted", len(adopted), len(manifests))
			adopt(t, acc, adopted)
		})
	}
}

func adopt(t *testing.T, acc *testkit.Acceptance, all []manifest) {
	t.Helper()
	objects, beside := together(all)
	if len(beside) == 0 && !slices.ContainsFunc(all, func(m manifest) bool { return slices.Contains(ofEngines, m.object.GetKind()) }) {
		t.Error("nothing comes along with what is imported")
	}
	cli := testkit.NewCLI(t, "testdata/TestAccAdoption", "namespace", acc.Namespace)
	imports := make([]map[string]string, 0, len(objects))
	for _, m := range objects {
		id := m.object.GetName()
		if ns := m.object.GetNamespace(); ns != "" {
			id = ns + "/" + id
		}
		imports = append(imports, map[string]string{"to": address(m), "id": id})
	}
	cli.Write("import.tf.json", asJSON(t, map[string]any{"import": imports}))

	if out := cli.Plan("-generate-config-out=generated.tf"); out.Code == 1 {
		t.Fatalf("generate the configuration: %s", out)
	}
	if out := cli.Plan("-out=import.plan"); out.Code == 1 {
		t.Fatalf("plan with the generated configuration as it stands: %s", out)
	}
	if got, want := actions(t, cli, "import.plan"), expect(objects, "import: no-op"); !maps.Equal(got, want) {
		t.Fatalf("actions of the import (-want +got):\n%s", cmp.Diff(want, got))
	}
	if out := cli.Run("apply", "-no-color", "-input=false", "import.plan"); out.Code != 0 {
		t.Fatalf("import: %s", out)
	}
	if out := cli.Plan(); out.Code != 0 {
		t.Fatalf("the plan after the import is not empty: %s", out)
	}
	for _, m := range objects {
		if diff := cmp.Diff(essence(m.object), essence(live(t, acc, m.object))); diff != "" {
			t.Errorf("import changed %s (-before +after):\n%s", address(m), diff)
		}
		for _, o := range beside[address(m)] {
			if diff := cmp.Diff(essence(o.object), essence(live(t, acc, o.object))); diff != "" {
				t.Errorf("import changed %s %s (-before +after):\n%s", o.object.GetKind(), o.object.GetName(), diff)
			}
		}
	}

	// The first write.
	state := cli.State()
	overrides := map[string]any{}
	want := map[string]map[string]any{}
	for _, m := range objects {
		after := m.object.DeepCopy()
		attributes := map[string]any{}
		for _, e := range edits[m.object.GetKind()] {
			e(after, attributes)
		}
		if m.object.GetKind() == kube.Job.Kind {
			fewerPods(after, state[address(m)].Values["patch"], attributes)
		}
		typ := adoptables[m.object.GetKind()].resource
		labels, ok := overrides[typ].(map[string]any)
		if !ok {
			labels = map[string]any{}
			overrides[typ] = labels
		}
		labels[m.label] = attributes
		want[address(m)] = essence(after)
	}
	cli.Write("edited_override.tf.json", asJSON(t, map[string]any{"resource": literal(overrides)}))
	if out := cli.Plan("-out=edit.plan"); out.Code != 2 {
		t.Fatalf("plan the edits: %s", out)
	}
	if got, want := actions(t, cli, "edit.plan"), expect(objects, "update"); !maps.Equal(got, want) {
		t.Fatalf("actions of the edits (-want +got):\n%s", cmp.Diff(want, got))
	}
	if out := cli.Run("apply", "-no-color", "-input=false", "edit.plan"); out.Code != 0 {
		t.Errorf("apply the edits: %s", out)
	}
	for _, m := range objects {
		now := live(t, acc, m.object)
		if now.GetLabels()[lifecycle.OwnerLabel] == "" || now.GetAnnotations()[lifecycle.ClaimAnnotation] == "" {
			t.Errorf("%s bears no mark after its first write", address(m))
		}
		if diff := cmp.Diff(want[address(m)], essence(now)); diff != "" {
			t.Errorf("the edit of %s (-want +got):\n%s", address(m), diff)
		}
		if now.GetUID() != m.object.GetUID() {
			t.Errorf("%s was replaced", address(m))
		}
		for _, o := range beside[address(m)] {
			now := live(t, acc, o.object)
			if now.GetLabels()[lifecycle.OwnerLabel] == "" || now.GetUID() != o.object.GetUID() {
				t.Errorf("%s %s did not come along with %s", o.object.GetKind(), o.object.GetName(), address(m))
			}
			if diff := cmp.Diff(o.object.Object["spec"], now.Object["spec"]); diff != "" {
				t.Errorf("the edit of %s changed %s %s (-before +after):\n%s", address(m), o.object.GetKind(), o.object.GetName(), diff)
			}
		}
	}
	if out := cli.Plan(); out.Code != 0 {
		t.Errorf("the plan after the edits is not empty: %s", out)
	}
}

// edit makes an object what it should be after the edit of an attribute, and
// notes the attribute's new value; nil removes it from the configuration.
type edit func(o *unstructured.Unstructured, attributes map[string]any)

var edits = map[string][]edit{
	"CronJob": {
		change("schedule", "0 5 * * *", "spec", "schedule"),
		change("starting_deadline_seconds", int64(600), "spec", "startingDeadlineSeconds"),
		remove("successful_jobs_history_limit", int64(3), "spec", "successfulJobsHistoryLimit"),
		remove("failed_jobs_history_limit", int64(1), "spec", "failedJobsHistoryLimit"),
		oneLabelLess,
		annotate,
	},
	"DaemonSet": {
		change("min_ready_seconds", int64(2), "spec", "minReadySeconds"),
		remove("revision_history_limit", int64(10), "spec", "revisionHistoryLimit"),
		unawaited,
		oneLabelLess,
		annotate,
	},
	"Deployment":            {unawaited, oneLabelLess, annotate},
	"DeviceClass":           {oneLabelLess, annotate},
	"ResourceClaimTemplate": {oneLabelLess, annotate},
	"Job": {
		change("active_deadline_seconds", int64(172800), "spec", "activeDeadlineSeconds"),
		remove("ttl_seconds_after_finished", nil, "spec", "ttlSecondsAfterFinished"),
		backoff,
		oneLabelLess,
		annotate,
	},
	"JobSet": {
		change("ttl_seconds_after_finished", int64(172800), "spec", "ttlSecondsAfterFinished"),
		oneLabelLess,
		annotate,
	},
	"PersistentVolumeClaim": {oneLabelLess, annotate},
	"Pod":                   {oneLabelLess, annotate},
	"StatefulSet": {
		change("min_ready_seconds", int64(2), "spec", "minReadySeconds"),
		remove("revision_history_limit", int64(10), "spec", "revisionHistoryLimit"),
		unawaited,
		oneLabelLess,
		annotate,
	},
	"StorageClass": {
		expandable,
		remove("mount_options", nil, "mountOptions"),
		remove("allowed_topologies", nil, "allowedTopologies"),
		oneLabelLess,
		annotate,
	},
	"TrainJob": {oneLabelLess, annotate},
}

// change sets an attribute and its field.
func change(attribute string, value any, field ...string) edit {
	return func(o *unstructured.Unstructured, attributes map[string]any) {
		attributes[attribute] = value
		if err := unstructured.SetNestedField(o.Object, value, field...); err != nil {
			panic(err)
		}
	}
}

// remove takes an attribute away where its field is set; the field goes, or
// becomes the server's default.
func remove(attribute string, byDefault any, field ...string) edit {
	return func(o *unstructured.Unstructured, attributes map[string]any) {
		was, ok, err := unstructured.NestedFieldNoCopy(o.Object, field...)
		if err != nil || !ok || cmp.Equal(was, byDefault) {
			return
		}
		attributes[attribute] = nil
		if byDefault == nil {
			unstructured.RemoveNestedField(o.Object, field...)
			return
		}
		if err := unstructured.SetNestedField(o.Object, byDefault, field...); err != nil {
			panic(err)
		}
	}
}

// backoff removes backoff_limit, whose default an indexed Job decides.
func backoff(o *unstructured.Unstructured, attributes map[string]any) {
	if _, ok, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "backoffLimitPerIndex"); !ok {
		remove("backoff_limit", int64(6), "spec", "backoffLimit")(o, attributes)
	}
}

// unawaited leaves out the wait: images and nodes of real manifests are not here.
func unawaited(_ *unstructured.Unstructured, attributes map[string]any) {
	attributes["wait_for"] = "created"
}

// expandable says the opposite about expansion.
func expandable(o *unstructured.Unstructured, attributes map[string]any) {
	now, _, _ := unstructured.NestedBool(o.Object, "allowVolumeExpansion")
	change("allow_volume_expansion", !now, "allowVolumeExpansion")(o, attributes)
}

// queueName is a label that an attribute of its own says.
const queueName = "kueue.x-k8s.io/queue-name"

// oneLabelLess drops the first label and changes the others; those of
// controllers stay.
func oneLabelLess(o *unstructured.Unstructured, attributes map[string]any) {
	labels := o.GetLabels()
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(labels)), func(k string) bool { return kube.IsGenerated(k) || k == queueName })
	if len(keys) == 0 {
		return
	}
	own := map[string]string{}
	for _, k := range keys[1:] {
		own[k] = "changed"
	}
	delete(labels, keys[0])
	maps.Copy(labels, own)
	attributes["labels"] = own
	o.SetLabels(labels)
}

// annotate replaces all annotations of people by one; those of the cluster stay.
func annotate(o *unstructured.Unstructured, attributes map[string]any) {
	const key = "example.com/adopted"
	annotations := map[string]string{key: "yes"}
	attributes["annotations"] = maps.Clone(annotations)
	for k, v := range o.GetAnnotations() {
		// What an attribute of its own says stays too.
		if kube.IsGenerated(k) && k != lastApplied || k == defaultClass {
			annotations[k] = v
		}
	}
	o.SetAnnotations(annotations)
}

// fewerPods takes parallelism out of the patch it landed in. Where completions
// is not set the server would set that too, which nobody can change.
func fewerPods(o *unstructured.Unstructured, patch any, attributes map[string]any) {
	tree := map[string]any{"patch": patch}
	_, said, _ := unstructured.NestedFieldNoCopy(tree, "patch", "Job", "spec", "parallelism")
	_, fixed, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "completions")
	if !said || !fixed {
		return
	}
	unstructured.RemoveNestedField(tree, "patch", "Job", "spec", "parallelism")
	attributes["patch"] = tree["patch"]
	if err := unstructured.SetNestedField(o.Object, int64(1), "spec", "parallelism"); err != nil {
		panic(err)
	}
}

// literal is a value whose strings a configuration in JSON takes as they are.
func literal(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			out[k] = literal(e)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = literal(e)
		}
		return out
	case string:
		return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(x)
	}
	return v
}

// essence is an object without what changes by itself, and without our marks.
func essence(o *unstructured.Unstructured) map[string]any {
	o = o.DeepCopy()
	delete(o.Object, "status")
	o.SetManagedFields(nil)
	o.SetResourceVersion("")
	o.SetGeneration(0)
	labels, annotations := o.GetLabels(), o.GetAnnotations()
	for _, m := range []map[string]string{labels, annotations} {
		maps.DeleteFunc(m, func(k, _ string) bool { return strings.HasPrefix(k, "mlk.dev/") || k == lastApplied })
	}
	if len(labels) == 0 {
		labels = nil
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	o.SetLabels(labels)
	o.SetAnnotations(annotations)
	return o.Object
}

func address(m manifest) string { return adoptables[m.object.GetKind()].resource + "." + m.label }

func expect(objects []manifest, action string) map[string]string {
	out := map[string]string{}
	for _, m := range objects {
		out[address(m)] = action
	}
	return out
}

// actions are what a saved plan does to each resource.
func actions(t *testing.T, cli *testkit.CLI, plan string) map[string]string {
	t.Helper()
	out := cli.Run("show", "-json", plan)
	if out.Code != 0 {
		t.Fatalf("show: %s", out)
	}
	var shown struct {
		Changes []struct {
			Address string `json:"address"`
			Change  struct {
				Actions   []string         `json:"actions"`
				Importing *json.RawMessage `json:"importing"`
			} `json:"change"`
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal([]byte(out.Stdout), &shown); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range shown.Changes {
		action := strings.Join(c.Change.Actions, ", ")
		if c.Change.Importing != nil {
			action = "import: " + action
		}
		got[c.Address] = action
	}
	return got
}

func asJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
