package volumeclaim

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// planned is a plan or state with these attributes and nulls for the others.
func planned(t *testing.T, values map[string]attr.Value) (schema.Schema, tftypes.Value) {
	t.Helper()
	s := attributes()
	for _, common := range []string{"name", "namespace"} {
		s.Attributes[common] = schema.StringAttribute{Required: true}
	}
	raw := map[string]tftypes.Value{}
	object, ok := s.Type().TerraformType(context.Background()).(tftypes.Object)
	if !ok {
		t.Fatal("the schema is no object")
	}
	for name, typ := range object.AttributeTypes {
		raw[name] = tftypes.NewValue(typ, nil)
	}
	for name, v := range values {
		tv, err := v.ToTerraformValue(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		raw[name] = tv
	}
	return s, tftypes.NewValue(object, raw)
}

func state(phase string, change func(*Model)) *Model {
	m := claim(func(m *Model) {
		m.StorageClass, m.VolumeName, m.Capacity = types.StringValue("fast"), types.StringValue("pvc-1"), types.StringValue("100Gi")
		m.DeletionProtection = types.BoolValue(false)
		m.Status = types.ObjectValueMust(map[string]attr.Type{"phase": types.StringType}, map[string]attr.Value{"phase": types.StringValue(phase)})
		if phase == string(corev1.ClaimPending) {
			m.VolumeName, m.Capacity = types.StringNull(), types.StringNull()
		}
		if change != nil {
			change(m)
		}
	})
	return m
}

// unchanged are the planned values that repeat the state.
func unchanged(m *Model) map[string]attr.Value {
	var modes attr.Value = types.ListNull(types.StringType)
	if m.AccessModes != nil {
		var es []attr.Value
		for _, e := range m.AccessModes {
			es = append(es, e)
		}
		modes = types.ListValueMust(types.StringType, es)
	}
	return map[string]attr.Value{
		"name": m.Name, "namespace": m.Namespace, "size": m.Size, "storage_class": m.StorageClass, "static": m.Static,
		"access_modes": modes, "volume_mode": m.VolumeMode, "volume_name": m.VolumeName, "capacity": m.Capacity,
		"deletion_protection": m.DeletionProtection, "retain": m.Retain, "volume_attributes_class": m.VolumeAttributesClass,
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	text := types.StringValue
	strs := func(in ...string) types.List {
		var es []attr.Value
		for _, s := range in {
			es = append(es, types.StringValue(s))
		}
		return types.ListValueMust(types.StringType, es)
	}
	type plans map[string]attr.Value
	tests := map[string]struct {
		prior   *Model
		change  plans
		replace []string // attributes, in order
		errors  []string // summaries
	}{
		"a label or nothing": {prior: state("Bound", nil)},
		"growth": {
			prior: state("Bound", nil), change: plans{"size": quantity.New("200Gi")},
		},
		"growth of an unbound claim": {
			prior: state("Pending", nil), change: plans{"size": quantity.New("200Gi")},
			errors: []string{`Volume claim "ml/data" has no volume yet, so its size cannot change`},
		},
		"shrinking": {
			prior: state("Bound", nil), change: plans{"size": quantity.New("50Gi")},
			errors: []string{`Volume claim "ml/data" cannot shrink to 50Gi`},
		},
		"shrinking to what the volume has": {
			prior: state("Bound", func(m *Model) { m.Size = quantity.New("200Gi") }), change: plans{"size": quantity.New("100Gi")},
			errors: []string{`Volume claim "ml/data" cannot shrink to 100Gi`},
		},
		"taking back a growth that failed": {
			prior: state("Bound", func(m *Model) { m.Size = quantity.New("200Gi") }), change: plans{"size": quantity.New("150Gi")},
		},
		"an unknown size": {
			prior: state("Bound", nil), change: plans{"size": quantity.Value{StringValue: types.StringUnknown()}},
		},
		"another class": {
			prior: state("Bound", nil), change: plans{"storage_class": text("slow")}, replace: []string{"storage_class"},
		},
		"a class not known yet": {
			prior: state("Bound", nil), change: plans{"storage_class": types.StringUnknown()}, replace: []string{"storage_class"},
		},
		"a class where there was none": {
			prior:  state("Pending", func(m *Model) { m.StorageClass = types.StringNull() }),
			change: plans{"storage_class": text("fast")},
		},
		"static": {
			prior: state("Bound", nil), change: plans{"static": types.BoolValue(true)}, replace: []string{"static"},
		},
		"no longer static": {
			prior:  state("Bound", func(m *Model) { m.Static, m.StorageClass = types.BoolValue(true), types.StringNull() }),
			change: plans{"static": types.BoolNull(), "storage_class": text("fast")}, replace: []string{"static"},
		},
		"false is null": {
			prior: state("Bound", nil), change: plans{"static": types.BoolValue(false)},
		},
		"another access mode": {
			prior: state("Bound", nil), change: plans{"access_modes": strs("ReadWriteMany")}, replace: []string{"access_modes"},
		},
		"the default said aloud": {
			prior: state("Bound", nil), change: plans{"access_modes": strs("ReadWriteOnce"), "volume_mode": text("Filesystem")},
		},
		"another mode": {
			prior: state("Bound", nil), change: plans{"volume_mode": text("Block")}, replace: []string{"volume_mode"},
		},
		"a volume for a claim without": {
			prior: state("Pending", nil), change: plans{"volume_name": text("pv-1")},
		},
		"another volume": {
			prior: state("Bound", nil), change: plans{"volume_name": text("pv-2")}, replace: []string{"volume_name"},
		},
		"protected by default": {
			prior:  state("Bound", func(m *Model) { m.DeletionProtection = types.BoolNull() }),
			change: plans{"storage_class": text("slow")}, replace: []string{"storage_class"},
			errors: []string{`Volume claim "ml/data" is protected from deletion`},
		},
		"protection must be off before": {
			prior:  state("Bound", func(m *Model) { m.DeletionProtection = types.BoolValue(true) }),
			change: plans{"storage_class": text("slow"), "deletion_protection": types.BoolValue(false)}, replace: []string{"storage_class"},
			errors: []string{`Volume claim "ml/data" is protected from deletion`},
		},
		"retained under the same name": {
			prior:  state("Bound", func(m *Model) { m.DeletionProtection, m.Retain = types.BoolNull(), types.BoolValue(true) }),
			change: plans{"storage_class": text("slow")}, replace: []string{"storage_class"},
			errors: []string{`Volume claim "ml/data" is retained, so it keeps its name`},
		},
		"retained, and made under another name": {
			prior:  state("Bound", func(m *Model) { m.DeletionProtection, m.Retain = types.BoolNull(), types.BoolValue(true) }),
			change: plans{"storage_class": text("slow"), "name": text("data2")}, replace: []string{"storage_class"},
		},
		"attributes of an unbound claim": {
			prior: state("Pending", nil), change: plans{"volume_attributes_class": text("gold")},
			errors: []string{`Volume claim "ml/data" has no volume yet, so its volume_attributes_class cannot change`},
		},
		"attributes of a bound claim": {
			prior: state("Bound", nil), change: plans{"volume_attributes_class": text("gold")},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := unchanged(tt.prior)
			for k, v := range tt.change {
				values[k] = v
			}
			s, raw := planned(t, values)
			p := &lifecycle.Planning[Model]{
				Plan: &tfsdk.Plan{Schema: s, Raw: raw}, Prior: tt.prior,
				Changed: func(at path.Path) bool { _, ok := tt.change[at.String()]; return ok },
			}
			plan(context.Background(), p)
			check(t, p, tt.replace, tt.errors)
			var capacity types.String
			p.Plan.GetAttribute(context.Background(), path.Root("capacity"), &capacity)
			_, resized := tt.change["size"]
			if capacity.IsUnknown() != (resized && len(tt.replace) == 0) {
				t.Errorf("capacity is planned as %s", capacity)
			}
		})
	}
}

func check(t *testing.T, p *lifecycle.Planning[Model], replace, errors []string) {
	t.Helper()
	var gotReplace, gotErrors []string
	for _, at := range p.RequiresReplace {
		gotReplace = append(gotReplace, at.String())
	}
	for _, d := range p.Diagnostics {
		gotErrors = append(gotErrors, d.Summary())
		if len(d.Summary()) > 90 || strings.HasSuffix(d.Summary(), ".") {
			t.Errorf("not a summary: %q", d.Summary())
		}
	}
	if diff := cmp.Diff(replace, gotReplace); diff != "" {
		t.Errorf("replacement:\n%s", diff)
	}
	if diff := cmp.Diff(errors, gotErrors); diff != "" {
		t.Errorf("diagnostics:\n%s", diff)
	}
	if p.Replace != (len(replace) > 0) {
		t.Errorf("Replace is %v", p.Replace)
	}
}

func TestPlanCreate(t *testing.T) {
	t.Parallel()
	for name, static := range map[string]bool{"a static claim has no class, known at plan": true, "the cluster decides": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, raw := planned(t, map[string]attr.Value{
				"name": types.StringValue("data"), "size": quantity.New("1Gi"),
				"static": types.BoolValue(static), "storage_class": types.StringUnknown(),
			})
			p := &lifecycle.Planning[Model]{
				Create: true, Plan: &tfsdk.Plan{Schema: s, Raw: raw},
				Changed: func(path.Path) bool { return true },
			}
			plan(context.Background(), p)
			check(t, p, nil, nil)
			var class types.String
			p.Plan.GetAttribute(context.Background(), path.Root("storage_class"), &class)
			if class.IsNull() != static {
				t.Errorf("storage_class is planned as %s", class)
			}
		})
	}
}

func TestPlanDestroy(t *testing.T) {
	t.Parallel()
	on, off, null := types.BoolValue(true), types.BoolValue(false), types.BoolNull()
	tests := map[string]struct {
		protection, retain types.Bool
		refused            bool
	}{
		"default":                   {null, null, true},
		"protected":                 {on, null, true},
		"not protected":             {off, null, false},
		"retained":                  {null, on, false},
		"retained and protected":    {on, on, true},
		"not retained nor released": {null, off, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &lifecycle.Planning[Model]{
				Destroy: true,
				Prior:   state("Bound", func(m *Model) { m.DeletionProtection, m.Retain = tt.protection, tt.retain }),
			}
			plan(context.Background(), p)
			if p.Diagnostics.HasError() != tt.refused {
				t.Errorf("diagnostics: %v", p.Diagnostics)
			}
		})
	}
}

func TestAnyOrder(t *testing.T) {
	t.Parallel()
	list := func(in ...string) types.List {
		var es []attr.Value
		for _, s := range in {
			es = append(es, types.StringValue(s))
		}
		return types.ListValueMust(types.StringType, es)
	}
	tests := map[string]struct {
		state, plan types.List
		same        bool
	}{
		"another order": {list("a", "b"), list("b", "a"), true},
		"another mode":  {list("a", "b"), list("b", "c"), false},
		"one more":      {list("a"), list("a", "b"), false},
		"twice":         {list("a", "a", "b"), list("a", "b", "b"), false},
		"not known yet": {list("a", ""), types.ListValueMust(types.StringType, []attr.Value{types.StringUnknown(), types.StringValue("a")}), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			same, ds := access{tt.plan}.ListSemanticEquals(t.Context(), access{tt.state})
			if same != tt.same || ds.HasError() {
				t.Errorf("the same: %v, %v", same, ds)
			}
		})
	}
}

func requested(size string) kube.Live {
	return live(func(c *corev1.PersistentVolumeClaim) {
		c.Spec.Resources.Requests[corev1.ResourceStorage] = mustParse(size)
	})
}

func TestSettle(t *testing.T) {
	t.Parallel()
	of := func(size string) *Model { return claim(func(m *Model) { m.Size = quantity.New(size) }) }
	tests := map[string]struct {
		m, prior *Model
		live     kube.Live
		want     string
	}{
		"gone":                              {m: of("10Gi"), live: kube.Live{}, want: "10Gi"},
		"the same, said otherwise":          {m: of("1024Mi"), live: requested("1Gi"), want: "1024Mi"},
		"larger is no drift":                {m: of("10Gi"), live: requested("30Gi"), want: "30Gi"},
		"smaller is drift":                  {m: of("10Gi"), live: requested("5Gi"), want: "10Gi"},
		"a label changes":                   {m: of("10Gi"), prior: of("10Gi"), live: requested("30Gi"), want: "30Gi"},
		"raised, but the claim is larger":   {m: of("20Gi"), prior: of("10Gi"), live: requested("30Gi"), want: "30Gi"},
		"raised":                            {m: of("40Gi"), prior: of("10Gi"), live: requested("30Gi"), want: "40Gi"},
		"lowered to take back a bad growth": {m: of("20Gi"), prior: of("30Gi"), live: requested("30Gi"), want: "20Gi"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := tt.m.Size
			if got := settle(tt.m, tt.prior, tt.live).Size.ValueString(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if !tt.m.Size.Equal(before) {
				t.Error("the model itself was changed")
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	held := live(func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "pvc-1" })
	empty := live(func(*corev1.PersistentVolumeClaim) {})
	open := claim(func(m *Model) { m.DeletionProtection = types.BoolValue(false) })
	tests := map[string]struct {
		m    *Model
		live kube.Live
		want bool
	}{
		"protected data":     {claim(nil), held, true},
		"nothing to protect": {claim(nil), empty, false},
		"already gone":       {claim(nil), kube.Live{}, false},
		"not protected":      {open, held, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refuse(tt.m, tt.live); (got.Summary != "") != tt.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	fast := claim(func(m *Model) { m.StorageClass = types.StringValue("fast") })
	static := claim(func(m *Model) { m.Static = types.BoolValue(true) })
	noGrowth := `persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize`
	tests := map[string]struct {
		m        *Model
		said     string
		summary  string
		happened string
		at       string
	}{
		"a class without growth": {
			fast, noGrowth, `Volume claim "ml/data" cannot grow to 100Gi`,
			`Storage class "fast" does not allow volumes to grow, or no longer exists.`, "size",
		},
		"a volume made by hand": {
			static, noGrowth, `Volume claim "ml/data" cannot grow to 100Gi`,
			`Volumes made by hand do not grow: only a storage class can allow it.`, "size",
		},
		"not bound": {
			fast, `persistentvolumeclaims "data" is forbidden: Only bound persistent volume claims can be expanded`,
			`Volume claim "ml/data" has no volume yet, so its size cannot change`,
			`Kubernetes takes a change of size only once the claim is bound to a volume.`, "size",
		},
		"a page of Go": {
			fast, "PersistentVolumeClaim \"data\" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests\n  core.PersistentVolumeClaimSpec{",
			`Volume claim "ml/data" cannot be changed like this in place`,
			`Of a claim only size and volume_attributes_class can change, and only once it is bound to a volume.`, "",
		},
		"anything else": {m: fast, said: "exceeded quota"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := refused(tt.m, tt.said)
			want := []string{tt.summary, tt.happened, tt.at}
			if diff := cmp.Diff(want, []string{got.Summary, got.Happened, got.At.String()}); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(got.Detail(), "core.Persistent") {
				t.Errorf("the user gets Go: %s", got.Detail())
			}
		})
	}
}
