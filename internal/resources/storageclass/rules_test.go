package storageclass

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// values is a plan, state or configuration with these attributes and nulls for
// the others.
func values(t *testing.T, set map[string]attr.Value) (schema.Schema, tftypes.Value) {
	t.Helper()
	s := attributes()
	s.Attributes["annotations"] = schema.MapAttribute{Optional: true, ElementType: types.StringType}
	object, ok := s.Type().TerraformType(context.Background()).(tftypes.Object)
	if !ok {
		t.Fatal("the schema is no object")
	}
	raw := map[string]tftypes.Value{}
	for name, typ := range object.AttributeTypes {
		raw[name] = tftypes.NewValue(typ, nil)
	}
	for name, v := range set {
		tv, err := v.ToTerraformValue(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		raw[name] = tv
	}
	return s, tftypes.NewValue(object, raw)
}

func strs(in map[string]string) types.Map {
	out := map[string]attr.Value{}
	for k, v := range in {
		out[k] = types.StringValue(v)
	}
	return types.MapValueMust(types.StringType, out)
}

func TestPlan(t *testing.T) {
	t.Parallel()
	text := types.StringValue
	type plans map[string]attr.Value
	tests := map[string]struct {
		state, plan plans
		replace     []string
	}{
		"nothing":                       {plans{}, plans{}, nil},
		"Delete is what null means":     {plans{}, plans{"reclaim_policy": text("Delete")}, nil},
		"and null what Delete means":    {plans{"reclaim_policy": text("Delete")}, plans{}, nil},
		"Retain is not":                 {plans{}, plans{"reclaim_policy": text("Retain")}, []string{"reclaim_policy"}},
		"Retain removed":                {plans{"reclaim_policy": text("Retain")}, plans{}, []string{"reclaim_policy"}},
		"a policy not known":            {plans{}, plans{"reclaim_policy": types.StringUnknown()}, []string{"reclaim_policy"}},
		"Immediate is what null means":  {plans{"volume_binding_mode": text("Immediate")}, plans{}, nil},
		"another binding mode":          {plans{}, plans{"volume_binding_mode": text("WaitForFirstConsumer")}, []string{"volume_binding_mode"}},
		"no parameters are none":        {plans{}, plans{"parameters": strs(nil)}, nil},
		"another parameter":             {plans{"parameters": strs(map[string]string{"type": "gp2"})}, plans{"parameters": strs(map[string]string{"type": "gp3"})}, []string{"parameters"}},
		"parameters removed":            {plans{"parameters": strs(map[string]string{"type": "gp2"})}, plans{}, []string{"parameters"}},
		"parameters not known":          {plans{}, plans{"parameters": types.MapUnknown(types.StringType)}, []string{"parameters"}},
		"mount options change in place": {plans{}, plans{"mount_options": types.ListValueMust(types.StringType, []attr.Value{text("noatime")})}, nil},
		"both":                          {plans{}, plans{"reclaim_policy": text("Retain"), "volume_binding_mode": text("WaitForFirstConsumer")}, []string{"reclaim_policy", "volume_binding_mode"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, state := values(t, tt.state)
			_, planned := values(t, tt.plan)
			p := &lifecycle.Planning[Model]{State: tfsdk.State{Schema: s, Raw: state}, Plan: &tfsdk.Plan{Schema: s, Raw: planned}}
			plan(context.Background(), p)
			var got []string
			for _, at := range p.RequiresReplace {
				got = append(got, at.String())
			}
			if diff := cmp.Diff(tt.replace, got); diff != "" {
				t.Error(diff)
			}
			if p.Diagnostics.HasError() || p.Replace != (len(tt.replace) > 0) {
				t.Errorf("Replace %v, diagnostics %v", p.Replace, p.Diagnostics)
			}
		})
	}
}

func TestPlanLeavesCreateAndDestroyAlone(t *testing.T) {
	t.Parallel()
	for _, p := range []*lifecycle.Planning[Model]{{Create: true}, {Destroy: true}} {
		plan(context.Background(), p)
		if p.Replace || len(p.Diagnostics) > 0 {
			t.Errorf("%+v", p)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const unknown = "\x00"
	tests := map[string]struct {
		provisioner string
		parameters  map[string]string
		binding     string
		errors      []string
		warnings    []string
	}{
		"a stranger may do what it likes": {"example.com/disks", map[string]string{"x": "y"}, "", nil, nil},
		"EBS": {"ebs.csi.aws.com", map[string]string{
			"type": "gp3", "IOPS": "4000", "throughput": "250", "fsType": "xfs", "kmskeyid": "arn", "tagSpecification_1": "a=b", "csi.storage.k8s.io/fstype": "xfs",
		}, "", nil, nil},
		"EBS, two ways to say iops": {
			"ebs.csi.aws.com",
			map[string]string{"iops": "4000", "iopspergb": "10"},
			"",
			[]string{"ebs.csi.aws.com makes no volume with this iopsPerGB"},
			nil,
		},
		"EBS, two ways, not known yet": {
			"ebs.csi.aws.com",
			map[string]string{"iops": unknown, "iopsPerGB": unknown},
			"",
			[]string{"ebs.csi.aws.com makes no volume with this iopsPerGB"},
			nil,
		},
		"EBS, misspelt": {
			"ebs.csi.aws.com",
			map[string]string{"typ": "gp3", "encryped": "true", "colour": "red"},
			"", nil,
			[]string{
				`ebs.csi.aws.com is not known to take parameter "colour"`,
				`ebs.csi.aws.com is not known to take parameter "encryped" Did you mean "encrypted"?`,
				`ebs.csi.aws.com is not known to take parameter "typ"`,
			},
		},
		"EBS, odd values": {
			"ebs.csi.aws.com",
			map[string]string{"type": "gp4", "iops": "many", "throughput": unknown},
			"", nil,
			[]string{`ebs.csi.aws.com is not known to take iops = "many"`, `ebs.csi.aws.com is not known to take type = "gp4"`},
		},
		"PD, regional": {"pd.csi.storage.gke.io", map[string]string{"type": "pd-ssd", "replication-type": "regional-pd"}, "", nil, nil},
		"PD, regional, type not known": {
			"pd.csi.storage.gke.io", map[string]string{"type": unknown, "replication-type": "regional-pd"}, "", nil, nil,
		},
		"PD, regional hyperdisk": {
			"pd.csi.storage.gke.io",
			map[string]string{"type": "hyperdisk-ml", "replication-type": "regional-pd"},
			"",
			[]string{"pd.csi.storage.gke.io makes no volume with this replication-type"},
			nil,
		},
		"PD, hyperdisk in two zones": {
			"pd.csi.storage.gke.io", map[string]string{"type": "hyperdisk-balanced-high-availability", "replication-type": "regional-pd"}, "", nil, nil,
		},
		"FSx": {"fsx.csi.aws.com", map[string]string{"subnetId": "s", "securityGroupIds": "g", "storageType": "HDD", "driveCacheType": "NONE"}, "", nil, nil},
		"FSx on HDD": {
			"fsx.csi.aws.com",
			map[string]string{"subnetId": "s", "securityGroupIds": "g", "storageType": "HDD"},
			"",
			[]string{"fsx.csi.aws.com makes no volume with this storageType"},
			nil,
		},
		"FSx tells case apart": {
			"fsx.csi.aws.com",
			map[string]string{"subnetID": "s", "securityGroupIds": "g"},
			"", nil,
			[]string{
				`fsx.csi.aws.com is not known to take parameter "subnetID" Did you mean "subnetId"?`,
				"fsx.csi.aws.com needs parameter subnetId",
			},
		},
		"EFS without parameters": {
			"efs.csi.aws.com", nil, "", nil,
			[]string{
				"efs.csi.aws.com needs parameter provisioningMode",
				"efs.csi.aws.com needs parameter fileSystemId",
				"efs.csi.aws.com needs parameter directoryPerms",
			},
		},
		"EFS, two file systems and half a range": {
			"efs.csi.aws.com",
			map[string]string{
				"provisioningMode": "efs-ap", "fileSystemId": "fs-1", "fileSystemIdSecretRef": "a/b/c", "directoryPerms": "700", "gidRangeEnd": "2000",
			},
			"",
			[]string{"efs.csi.aws.com makes no volume with this fileSystemIdSecretRef", "efs.csi.aws.com makes no volume with this gidRangeEnd"},
			nil,
		},
		"Azure disk": {"disk.csi.azure.com", map[string]string{"skuname": "PremiumV2_LRS", "cachingmode": "none", "device-setting/queue/scheduler": "none"}, "", nil, nil},
		"Azure disk with a cache it cannot have": {
			"disk.csi.azure.com",
			map[string]string{"skuName": "UltraSSD_LRS", "cachingMode": "ReadOnly"},
			"",
			[]string{"disk.csi.azure.com makes no volume with this cachingMode"},
			nil,
		},
		"Longhorn": {"driver.longhorn.io", map[string]string{"dataLocality": "strict-local", "numberOfReplicas": "1"}, "", nil, nil},
		"Longhorn, local but three": {
			"driver.longhorn.io",
			map[string]string{"dataLocality": "strict-local"},
			"",
			[]string{"driver.longhorn.io makes no volume with this dataLocality"},
			nil,
		},
		"NFS subdir, as the web has it": {
			"cluster.local/nfs-subdir-external-provisioner",
			map[string]string{"server": "nfs", "archiveOnDelete": "false"},
			"", nil,
			[]string{`cluster.local/nfs-subdir-external-provisioner is not known to take parameter "server"`},
		},
		"Rook, in any namespace": {
			"storage.rbd.csi.ceph.com", map[string]string{
				"clusterID": "c", "pool": "p", "imageFormat": "2", "csi.storage.k8s.io/provisioner-secret-name": "rook-csi-rbd-provisioner",
			}, "", nil, nil,
		},
		"local path, at once": {
			"rancher.io/local-path", nil, "", nil, []string{"rancher.io/local-path needs to know the pod's node"},
		},
		"local path": {"rancher.io/local-path", nil, "WaitForFirstConsumer", nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set := map[string]value{}
			for k, v := range tt.parameters {
				set[k] = value{text: v, known: v != unknown}
				if v == unknown {
					set[k] = value{}
				}
			}
			binding := types.StringNull()
			if tt.binding != "" {
				binding = types.StringValue(tt.binding)
			}
			errors, warnings := check(tt.provisioner, set, binding)
			if diff := cmp.Diff(tt.errors, said(t, errors)); diff != "" {
				t.Errorf("errors:\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, said(t, warnings)); diff != "" {
				t.Errorf("warnings:\n%s", diff)
			}
		})
	}
}

// said are the summaries, with the correction of a misspelt name.
func said(t *testing.T, in []diags.Message) []string {
	t.Helper()
	var out []string
	for _, m := range in {
		if len(m.Summary) > 90 {
			t.Errorf("a long summary: %q", m.Summary)
		}
		s := m.Summary
		if strings.HasPrefix(m.Do, "Did you") {
			s += " " + m.Do
		}
		out = append(out, s)
	}
	return out
}

func TestValidateParameters(t *testing.T) {
	t.Parallel()
	clash := strs(map[string]string{"iops": "1", "iopsPerGB": "1"})
	tests := map[string]struct {
		provisioner types.String
		parameters  types.Map
		errors      int
		warnings    int
	}{
		"contradiction":           {types.StringValue("ebs.csi.aws.com"), clash, 1, 0},
		"unknown key":             {types.StringValue("ebs.csi.aws.com"), strs(map[string]string{"foo": "bar"}), 0, 1},
		"a driver not known yet":  {types.StringUnknown(), clash, 0, 0},
		"parameters not known":    {types.StringValue("ebs.csi.aws.com"), types.MapUnknown(types.StringType), 0, 0},
		"none where some must be": {types.StringValue("nfs.csi.k8s.io"), types.MapNull(types.StringType), 0, 2},
		"a value not known": {
			types.StringValue("ebs.csi.aws.com"), types.MapValueMust(types.StringType, map[string]attr.Value{"type": types.StringUnknown()}), 0, 0,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, raw := values(t, map[string]attr.Value{"storage_provisioner": tt.provisioner, "parameters": tt.parameters})
			var resp validator.MapResponse
			driverParameters{}.ValidateMap(context.Background(), validator.MapRequest{
				Config: tfsdk.Config{Schema: s, Raw: raw}, ConfigValue: tt.parameters, Path: parametersPath,
			}, &resp)
			if got := resp.Diagnostics.ErrorsCount(); got != tt.errors {
				t.Errorf("%d errors, want %d: %v", got, tt.errors, resp.Diagnostics)
			}
			if got := resp.Diagnostics.WarningsCount(); got != tt.warnings {
				t.Errorf("%d warnings, want %d: %v", got, tt.warnings, resp.Diagnostics)
			}
		})
	}
}

func TestValidateDefault(t *testing.T) {
	t.Parallel()
	annotated := strs(map[string]string{defaultAnnotation: "true"})
	tests := map[string]struct {
		isDefault   types.Bool
		annotations types.Map
		refused     bool
	}{
		"said once":        {types.BoolValue(true), types.MapNull(types.StringType), false},
		"said otherwise":   {types.BoolNull(), annotated, false},
		"said twice":       {types.BoolValue(true), annotated, true},
		"other words":      {types.BoolValue(true), strs(map[string]string{"a": "b"}), false},
		"not known so far": {types.BoolValue(true), types.MapUnknown(types.StringType), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, raw := values(t, map[string]attr.Value{"default": tt.isDefault, "annotations": tt.annotations})
			var resp validator.BoolResponse
			notAlsoAnnotated{}.ValidateBool(context.Background(), validator.BoolRequest{
				Config: tfsdk.Config{Schema: s, Raw: raw}, ConfigValue: tt.isDefault, Path: defaultPath,
			}, &resp)
			if resp.Diagnostics.HasError() != tt.refused {
				t.Error(resp.Diagnostics)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"abc", ""}: 3, {"", "abc"}: 3, {"type", "typ"}: 1, {"iops", "oips"}: 2, {"kitten", "sitting"}: 3,
	} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", pair[0], pair[1], got, want)
		}
	}
}
