package inferenceservice

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// protocols are the values of kserve.protocol_version.
func protocols() []string { return []string{"v1", "v2", "grpc-v1", "grpc-v2"} }

func kserveAttributes() map[string]schema.Attribute {
	word := []validator.String{stringvalidator.LengthAtLeast(1)}
	return map[string]schema.Attribute{
		"engine": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "What makes the pods. `deployment` (default): a Deployment. `kserve`: an InferenceService (`serving.kserve.io/v1beta1`, in Standard mode), for teams whose models are served by KServe, which makes Deployment, Service, autoscaler and routes itself; " +
				"it needs KServe 0.16 or newer on the cluster, which the plan checks. The pod is said as for a Deployment, its main container is called `kserve-container`, and pod labels and annotations are those of the predictor. " +
				"`service`, `route`, `ingress`, `canary`, `multi_node`, `selector` and what KServe has no field for are refused at plan; transformers, explainers and more go into `patch`, under `InferenceService`. " +
				"KServe copies `labels` and `annotations` to the pods: changing one rolls out new pods, and so does the first change after an import. Changing `engine` makes a new service.",
			Validators: []validator.String{stringvalidator.OneOf(engineDeployment, engineKServe)},
		},
		"kserve": schema.SingleNestedAttribute{
			Optional: true,
			MarkdownDescription: "With `engine = \"kserve\"`: the model is served by one of KServe's serving runtimes, which brings image, ports and probes; KServe loads what `model.source` names. " +
				"`args` come after those of the runtime, and what else the pod attributes say takes the place of the runtime's. Default: the container that `image` and `runtime` say. Changed in place, by new pods.",
			Attributes: map[string]schema.Attribute{
				"model_format": schema.StringAttribute{
					Required: true, MarkdownDescription: "What the model is for, by which a runtime is found: `huggingface`, `vLLM`, `sklearn`, `xgboost`, `lightgbm`, `onnx`, `tensorflow`, `pytorch`, `triton` or another that a runtime of the cluster names.",
					Validators: word,
				},
				"model_version": schema.StringAttribute{
					Optional: true, MarkdownDescription: "Version of that format, where runtimes differ in those they take. Default: any.", Validators: word,
				},
				"runtime": schema.StringAttribute{
					Optional:            true,
					MarkdownDescription: "Name of the ServingRuntime of the namespace, or the ClusterServingRuntime, that serves it. Default: the one that KServe finds for `model_format`.",
					Validators:          []validator.String{diags.DNSSubdomain()},
				},
				"runtime_version": schema.StringAttribute{
					Optional: true, MarkdownDescription: "Tag of the runtime's image. Default: the one it names.", Validators: word,
				},
				"protocol_version": schema.StringAttribute{
					Optional: true, MarkdownDescription: "What requests speak: `v1`, `v2`, `grpc-v1` or `grpc-v2`. Default: what the runtime prefers.",
					Validators: []validator.String{stringvalidator.OneOf(protocols()...)},
				},
			},
		},
	}
}
