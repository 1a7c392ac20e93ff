// Package resourceclaimtemplate is mlk_resource_claim_template: the claim for
// devices that each pod of a workload gets.
package resourceclaimtemplate

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/devices"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_resource_claim_template.
type Model struct {
	lifecycle.Namespaced
	Requests         []devices.Request       `tfsdk:"requests"`
	Constraints      []devices.Constraint    `tfsdk:"constraints"`
	Config           []devices.Config        `tfsdk:"config"`
	ClaimLabels      map[string]types.String `tfsdk:"claim_labels"`
	ClaimAnnotations map[string]types.String `tfsdk:"claim_annotations"`
}

// levelCreated is all there is to wait for: a template does nothing by itself.
const levelCreated = "created"

// limit bounds all operations.
const limit = 5 * time.Minute

// The attributes that rules name.
var (
	requestsPath    = path.Root("requests")
	constraintsPath = path.Root("constraints")
	configPath      = path.Root("config")
	labelsPath      = path.Root("claim_labels")
	annotationsPath = path.Root("claim_annotations")
)

// New returns the mlk_resource_claim_template resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes a resource claim template.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:     "resource_claim_template",
		Noun:     "Resource claim template",
		Schema:   attributes,
		Owns:     []kube.Kind{kube.ResourceClaimTemplate},
		Desired:  desired,
		Fields:   fields,
		Adopt:    adopt,
		Observe:  observe,
		Ready:    ready,
		WaitFor:  []string{levelCreated},
		Timeouts: lifecycle.Timeouts{Create: limit, Update: limit, Delete: limit},
		Replace:  []path.Path{requestsPath, constraintsPath, configPath, labelsPath, annotationsPath},
		Validate: validate,
	}
}

// changing is what a change of the claims does: Kubernetes changes no template.
const changing = "Changing it makes a new template; claims that pods have already stay as they are."

func attributes() schema.Schema {
	return schema.Schema{
		MarkdownDescription: "The claim for devices that each pod of a workload gets, made with the pod and gone with it: `devices = { gpu = { template = mlk_resource_claim_template.any.name } }`. " +
			"The scheduler finds devices and node together: GPUs by what they are and not by a label of their node, several sorts of devices that belong together, or the second best where the best is taken. Needs Kubernetes 1.34.",
		Attributes: map[string]schema.Attribute{
			"requests":    devices.RequestsAttribute("Default: none. " + changing),
			"constraints": devices.ConstraintsAttribute(changing),
			"config":      devices.ConfigsAttribute(changing),
			"claim_labels": schema.MapAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Labels of the claims. Default: none. " + changing,
				Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.LabelKey()), mapvalidator.ValueStringsAre(diags.LabelValue())},
			},
			"claim_annotations": schema.MapAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Annotations of the claims. Default: none. " + changing,
				Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.AnnotationKey())},
			},
		},
	}
}
