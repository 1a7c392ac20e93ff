package podspec

import (
	"context"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
)

// TestValidate runs all validators of the schema and Validate, as Terraform
// does, on configurations. want is part of the only summary; "" wants none.
func TestValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, config, want string }{
		{"nothing wrong", `{image: a, gpu: {count: 1, products: [T4], mig_profile: 3g.40gb, shared: true}, volumes: {x: {claim: c, mount_path: /x}, y: {claim: d}}, shared_memory: 1Gi}`, ""},
		{"zero gpus", `{image: a, gpu: {count: 0}}`, ""},
		{"negative gpus", `{image: a, gpu: {count: -1}}`, "gpu.count"},

		{"volume without a source", `{image: a, volumes: {x: {mount_path: /x}}}`, "None of the attributes is set"},
		{"volume with two sources", `{image: a, volumes: {x: {mount_path: /x, claim: c, empty_dir: {}}}}`, "claim and empty_dir exclude each other"},
		{"volume with a source that is not known", `{image: a, volumes: {x: {mount_path: /x, claim: UNKNOWN}}}`, ""},
		{"two ways to mount", `{image: a, volumes: {x: {claim: c, mount_path: /x, mounts: [{path: /y}]}}}`, "mounts and mount_path exclude each other"},
		{"read_only without mount_path", `{image: a, volumes: {x: {claim: c, read_only: true, mounts: [{path: /y}]}}}`, "read_only needs mount_path"},
		{"claim_read_only without claim", `{image: a, volumes: {x: {empty_dir: {}, claim_read_only: true}}}`, "claim_read_only needs claim"},
		{"relative mount path", `{image: a, volumes: {x: {claim: c, mount_path: data}}}`, "not an absolute path"},
		{"sub path upwards", `{image: a, volumes: {x: {claim: c, mount_path: /x, sub_path: ../y}}}`, "not a relative path"},
		{"two kinds of sub path", `{image: a, volumes: {x: {claim: c, mounts: [{path: /x, sub_path: a, sub_path_expr: b}]}}}`, "sub_path and sub_path_expr exclude"},
		{"same path twice", `{image: a, volumes: {x: {claim: c, mount_path: /x}, y: {claim: d, mount_path: /x}}}`, `Container "main" mounts two volumes at /x`},
		{"same path in another container", `{image: a, extra_containers: {b: {image: b}}, volumes: {x: {claim: c, mount_path: /x}, y: {claim: d, mounts: [{path: /x, container: b}]}}}`, ""},
		{"mount in no container", `{image: a, volumes: {x: {claim: c, mounts: [{path: /x, container: b}]}}}`, `in container "b", which does not exist`},
		{"mount in a container that may be there", `{image: a, extra_containers: UNKNOWN, volumes: {x: {claim: c, mounts: [{path: /x, container: b}]}}}`, ""},
		{"volume name", `{image: a, volumes: {A_b: {claim: c}}}`, "not a DNS label"},
		{"shared memory and a volume there", `{image: a, shared_memory: 1Gi, volumes: {x: {empty_dir: {}, mount_path: /dev/shm}}}`, "mounts two volumes at /dev/shm"},
		{"shared memory and a volume of its name", `{image: a, shared_memory: 1Gi, volumes: {dshm: {empty_dir: {}}}}`, `shared_memory and the volume "dshm"`},
		{"file mode", `{image: a, volumes: {x: {config_map: {name: c, default_mode: "789"}}}}`, "default_mode"},
		{"no such quantity", `{image: a, volumes: {x: {empty_dir: {size_limit: lots}}}}`, `"lots" is not a Kubernetes quantity`},

		{"extra container with the default name", `{image: a, extra_containers: {main: {image: b}}}`, `Two containers are called "main"`},
		{"extra container called main", `{image: a, container_name: x, extra_containers: {main: {image: b}}}`, `cannot be called "main"`},
		{"init container like the main one", `{image: a, container_name: x, init_containers: [{name: x, image: b}]}`, `Two containers are called "x"`},
		{"names that are not known", `{image: a, container_name: UNKNOWN, init_containers: [{name: UNKNOWN, image: b}], extra_containers: {main: {image: b}}}`, ""},
		{"container name", `{image: a, container_name: A}`, "not a DNS label"},
		{"probe of an init container", `{image: a, init_containers: [{name: x, image: b, liveness_probe: {exec: {command: [a]}}}]}`, "has no liveness_probe"},
		{"probe of a sidecar", `{image: a, init_containers: [{name: x, image: b, restart_policy: Always, liveness_probe: {exec: {command: [a]}}}]}`, ""},

		{"gpu in both places", `{image: a, gpu: {count: 2}, resources: {limits: {nvidia.com/gpu: "1"}}}`, "nvidia.com/gpu is asked for twice"},
		{"the same in both places", `{image: a, gpu: {count: 1}, resources: {limits: {nvidia.com/gpu: "1"}}}`, ""},
		{"mig in both places", `{image: a, gpu: {count: 2, mig_profile: 1g.5gb}, resources: {limits: {nvidia.com/mig-1g.5gb: "1"}}}`, "asked for twice"},
		{"resource and mig_profile", `{image: a, gpu: {count: 1, resource: nvidia.com/gpu, mig_profile: 1g.5gb}}`, "gpu.resource and gpu.mig_profile exclude"},
		{"shared = false says nothing", `{image: a, gpu: {count: 1, resource: nvidia.com/gpu, shared: false}}`, ""},
		{"no such profile", `{image: a, gpu: {count: 1, mig_profile: all}}`, "mig_profile"},
		{"products of a vendor without labels", `{image: a, gpu: {count: 1, resource: habana.ai/gaudi, products: [x]}}`, "cannot be chosen by product"},
		{"memory of another vendor", `{image: a, gpu: {count: 1, resource: amd.com/gpu, min_memory: 1Gi}}`, "cannot be chosen by memory"},
		{"products of a resource that is not known", `{image: a, gpu: {count: 1, resource: UNKNOWN, products: [x]}}`, ""},
		{"capability", `{image: a, gpu: {count: 1, min_compute_capability: ampere}}`, "min_compute_capability"},
		{"resource without a domain", `{image: a, gpu: {count: 1, resource: gpu}}`, "not the name of a resource"},

		{"request above limit", `{image: a, resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}}`, "request of memory is above its limit"},
		{"request below limit", `{image: a, resources: {requests: {cpu: 500m}, limits: {cpu: "1"}}}`, ""},
		{"device with two numbers", `{image: a, resources: {requests: {a.b/c: "1"}, limits: {a.b/c: "2"}}}`, "Request and limit of a.b/c differ"},
		{"device without a limit", `{image: a, resources: {requests: {a.b/c: "1"}}}`, "a.b/c has a request and no limit"},
		{"part of a device", `{image: a, resources: {limits: {a.b/c: 500m}}}`, "not a whole number"},
		{"unknown resource", `{image: a, resources: {limits: {gpu: "1"}}}`, "not the name of a resource"},
		{"no quantity", `{image: a, resources: {limits: {memory: 1GB}}}`, "not a Kubernetes quantity"},
		{"quantities that are not known", `{image: a, resources: {requests: {memory: 2Gi}, limits: {memory: UNKNOWN}}}`, ""},
		{"claim that does not exist", `{image: a, resources: {claims: {x: {}}}}`, `no claim "x" in devices`},
		{"claim and template", `{image: a, devices: {x: {claim: a, template: b}}}`, "claim and template exclude"},

		{"variable in both maps", `{image: a, env: {A: x}, env_value_from: {A: {field: metadata.name}}}`, `"A" is in env and in env_value_from`},
		{"variable in both maps of an extra container", `{image: a, extra_containers: {b: {image: b, env: {A: x}, env_value_from: {A: {field: metadata.name}}}}}`, `"A" is in env and in env_value_from`},
		{"null leaves a variable out", `{image: a, env: {A: null}, env_value_from: {A: {field: metadata.name}}}`, ""},
		{"variable with two sources", `{image: a, env_value_from: {A: {field: metadata.name, secret: {name: s, key: k}}}}`, "exclude each other"},
		{"variable without a source", `{image: a, env_value_from: {A: {}}}`, "None of the attributes"},
		{"variable name", `{image: a, env: {"A=B": x}}`, "not a name for an environment variable"},
		{"env_from without a source", `{image: a, env_from: [{prefix: x}]}`, "None of the attributes"},

		{"probe without a handler", `{image: a, liveness_probe: {period_seconds: 5}}`, "None of the attributes"},
		{"probe with two", `{image: a, liveness_probe: {exec: {command: [a]}, grpc: {port: 1}}}`, "exec and grpc exclude"},
		{"probe port", `{image: a, liveness_probe: {tcp_socket: {port: "70000"}}}`, "not a port name or number"},
		{"several successes of a liveness probe", `{image: a, liveness_probe: {exec: {command: [a]}, success_threshold: 2}}`, "must be 1"},
		{"several successes of a readiness probe", `{image: a, readiness_probe: {exec: {command: [a]}, success_threshold: 2}}`, ""},
		{"hook without a handler", `{image: a, hooks: {pre_stop: {}}}`, "None of the attributes"},

		{"ports", `{image: a, ports: {http: {port: 80}, "8080": {}, "53/UDP": {}}}`, ""},
		{"named port without a number", `{image: a, ports: {http: {}}}`, `Port "http" has no number`},
		{"port name", `{image: a, ports: {a_very_long_name_of_a_port: {port: 80}}}`, "not a port name or number"},
		{"port number", `{image: a, ports: {"70000": {}}}`, "not a port name or number"},
		{"same port twice", `{image: a, ports: {http: {port: 80}, "80": {}}}`, "are the same"},
		{"port number not known", `{image: a, ports: {http: {port: UNKNOWN}}}`, ""},

		{"toleration without key or operator", `{image: a, scheduling: {tolerations: [{effect: NoSchedule}]}}`, "needs operator"},
		{"toleration with Exists and a value", `{image: a, scheduling: {tolerations: [{key: k, operator: Exists, value: v}]}}`, "takes no value"},
		{"toleration of all", `{image: a, scheduling: {tolerations: [{operator: Exists}]}}`, ""},
		{"seconds without NoExecute", `{image: a, scheduling: {tolerations: [{key: k, operator: Exists, effect: NoSchedule, seconds: 1}]}}`, "seconds needs effect"},
		{"In without values", `{image: a, scheduling: {node_affinity: {required: [{expressions: [{key: k, operator: In}]}]}}}`, `"In" needs values`},
		{"Gt with a word", `{image: a, scheduling: {node_affinity: {required: [{expressions: [{key: k, operator: Gt, values: [x]}]}]}}}`, "compares whole numbers"},
		{"profile", `{image: a, security_context: {seccomp_profile: {type: Localhost}}}`, "belong together"},
		{"label value", `{image: a, pod_labels: {app: "a b"}}`, "not a label value"},
		{"no image", `{command: [a]}`, "Missing Configuration for Required Attribute"},
		{"all unknown", `{image: UNKNOWN, gpu: UNKNOWN, volumes: UNKNOWN, env: UNKNOWN, env_value_from: UNKNOWN, resources: UNKNOWN, init_containers: UNKNOWN, extra_containers: UNKNOWN, shared_memory: UNKNOWN, scheduling: UNKNOWN, ports: UNKNOWN, devices: UNKNOWN}`, ""},
		{"parts unknown", `{image: a, gpu: {count: UNKNOWN}, volumes: {x: UNKNOWN, y: {claim: c, mounts: UNKNOWN}, z: {claim: c, mounts: [{path: UNKNOWN, container: UNKNOWN}]}}, env_value_from: {A: UNKNOWN}, resources: {limits: UNKNOWN, requests: {cpu: UNKNOWN}}, ports: {a: UNKNOWN}, devices: {c: UNKNOWN}}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := validated(t, c.config)
			switch {
			case c.want == "" && len(got) == 0:
			case c.want != "" && len(got) == 1 && strings.Contains(got[0].Summary+got[0].Detail, c.want):
				if len(got[0].Summary) > 90 || strings.HasSuffix(got[0].Summary, ".") {
					t.Errorf("summary %q is too long or ends in a full stop", got[0].Summary)
				}
				if got[0].Attribute == nil || len(got[0].Attribute.Steps()) == 0 {
					t.Errorf("%q names no attribute", got[0].Summary)
				}
			default:
				t.Errorf("want %q, got %d diagnostics:", c.want, len(got))
				for _, d := range got {
					t.Errorf("%s: %s\n%s", d.Attribute, d.Summary, d.Detail)
				}
			}
		})
	}
}

func validated(t *testing.T, config string) []*tfprotov6.Diagnostic {
	t.Helper()
	raw := rawOf(t, config)
	server := providerserver.NewProtocol6(pods{})()
	dynamic, err := tfprotov6.NewDynamicValue(raw.Type(), raw)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.ValidateResourceConfig(context.Background(), &tfprotov6.ValidateResourceConfigRequest{TypeName: "pods_pod", Config: &dynamic})
	if err != nil {
		t.Fatal(err)
	}
	return resp.Diagnostics
}

// pods is a provider with one resource that has the pod block.
type pods struct{}

func (pods) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName = "pods"
}
func (pods) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse) {}
func (pods) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {
}
func (pods) DataSources(context.Context) []func() datasource.DataSource { return nil }
func (pods) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return pod{} }}
}

type pod struct{}

func (pod) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = "pods_pod"
}

func (pod) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = podSchema
}
func (pod) Create(context.Context, resource.CreateRequest, *resource.CreateResponse) {}
func (pod) Read(context.Context, resource.ReadRequest, *resource.ReadResponse)       {}
func (pod) Update(context.Context, resource.UpdateRequest, *resource.UpdateResponse) {}
func (pod) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}

func (pod) ConfigValidators(context.Context) []resource.ConfigValidator {
	return []resource.ConfigValidator{asAWhole{}}
}

type asAWhole struct{}

func (asAWhole) Description(context.Context) string         { return "validates the pod" }
func (asAWhole) MarkdownDescription(context.Context) string { return "validates the pod" }

func (asAWhole) ValidateResource(ctx context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	resp.Diagnostics.Append(Validate(ctx, req.Config)...)
}

// TestApplyRefuses tells what only a wholly known model shows.
func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, model, want string }{
		{"mount in no container", `{image: a, volumes: {x: {claim: c, mounts: [{path: /x, container: b}]}}}`, "which does not exist"},
		{"gpu in both places", `{image: a, gpu: {count: 2}, resources: {limits: {nvidia.com/gpu: "1"}}}`, "asked for twice"},
		{"products nobody labels", `{image: a, gpu: {count: 2, resource: a.b/c, products: [x]}}`, "cannot be chosen by product"},
		{"port without a number", `{image: a, ports: {http: {}}}`, "has no number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, ds := modelOf(t, rawOf(t, c.model)).Apply()
			if !ds.HasError() || !strings.Contains(summaries(ds), c.want) {
				t.Errorf("want %q, got %v", c.want, ds)
			}
		})
	}
}

func summaries(ds diag.Diagnostics) string {
	var out []string
	for _, d := range ds {
		out = append(out, d.Summary())
	}
	return strings.Join(out, "\n")
}
