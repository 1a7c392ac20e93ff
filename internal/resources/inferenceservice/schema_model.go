package inferenceservice

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// runtimes are the values of runtime, in order.
func runtimes() []string { return append(slices.Sorted(maps.Keys(servers)), custom) }

func presetAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"runtime": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "The model server that `image` is: `vllm`, `sglang`, `triton`, `tgi` (Text Generation Inference), `tei` (Text Embeddings Inference) or `ollama`. " +
				"Whatever of these is not set then follows from it: `command`, `args` that name the model and split it over the GPUs of `gpu.count`, `ports`, `liveness_probe` and `readiness_probe`, " +
				"`startup_budget` (30 minutes, or 10 for `triton`, `tei` and `ollama`), `shared_memory`, and `pod_annotations` by which Prometheus finds the metrics. `preset` shows all of it; setting an attribute, an entry of a map or " +
				"a flag in `args` puts it in the place of the preset's. `custom` (default): nothing follows. Changing it rolls out new pods.",
			Validators: []validator.String{stringvalidator.OneOf(runtimes()...)},
		},
		"model": schema.SingleNestedAttribute{
			Optional: true,
			MarkdownDescription: "Where the model comes from. It is mounted, or loaded before the server starts, and the server of `runtime` is told; with `runtime = \"custom\"` the server has to look in `mount_path` itself. " +
				"Default: none, the image has it or `args` and `volumes` say where it is. Changing it rolls out new pods.",
			Attributes: modelAttributes(),
		},
		"preset": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "What `runtime` and `model` make of the pod where the configuration leaves it open: by attribute, or attribute and key, what it is set to. Known at plan. " +
				"A change made to one of them on the cluster shows here, and is put right.",
		},
	}
}

func modelAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"source": schema.StringAttribute{
			Required: true,
			MarkdownDescription: "`pvc://claim/path`: a directory of a PersistentVolumeClaim, mounted for reading. `oci://registry/image:tag`: the content of an OCI image, mounted as an image volume (Kubernetes 1.36, or 1.33 with the gate `ImageVolume`). " +
				"`hf://organisation/name` or `hf://organisation/name@revision`: a model of Hugging Face's hub, which `vllm`, `sglang`, `tgi` and `tei` load themselves, and an init container for the others. " +
				"`s3://bucket/path` and `gs://bucket/path`: an object store, from which an init container loads.",
			Validators: []validator.String{source{}},
		},
		"name": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "What requests call the model, with `vllm` and `sglang`. Default: the name at the hub, or else the last part of `source`.",
			Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
		},
		"mount_path": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: fmt.Sprintf("Directory in which the server finds the model, or keeps what it loads. Default `%s`, and `%s` where `tgi` and `tei` load from the hub. "+
				"What is loaded lies in an `empty_dir` called `%s`; set `volumes.%s` to have it elsewhere.", modelDirectory, hubDirectory, modelVolume, modelVolume),
			Validators: []validator.String{stringvalidator.RegexMatches(absolute, "must be an absolute path")},
		},
		"token_secret": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "Name of the Secret in the service's namespace with what `source` asks for: a token of the hub; for `s3` the variables of the AWS SDKs, such as `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_ENDPOINT_URL`, as its keys; " +
				"for `gs` the key file of a service account. Only the name is in state and pod. Default: none, the model is public or the pod's service account may read it. Not for `pvc` and `oci` (see `image_pull_secrets`).",
			Validators: []validator.String{diags.DNSSubdomain()},
		},
		"token_key": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: fmt.Sprintf("Key in `token_secret`. Default `%s` for the hub and `%s` for `gs`; `s3` takes all keys.", hubToken, gcsKey),
			Validators:          []validator.String{stringvalidator.LengthAtLeast(1)},
		},
		"loader_image": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: fmt.Sprintf("Image of the init container that loads the model where the server does not: it is given source and directory as arguments. Default `%s`. "+
				"An init container of your own called `%s` takes its place.", loaderImage, loader),
			Validators: []validator.String{stringvalidator.LengthAtLeast(1)},
		},
	}
}
