// Package lifecycle is the one resource.Resource of the provider: create, read,
// update, delete, import and plan, written once for every Definition.
package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-timeouts/resource/timeouts"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// Common are the attributes every resource has. Embed it in the model of a
// cluster-wide resource, and Namespaced in all others.
type Common struct {
	ID             types.String            `tfsdk:"id"`
	Name           types.String            `tfsdk:"name"`
	Labels         map[string]types.String `tfsdk:"labels"`
	Annotations    map[string]types.String `tfsdk:"annotations"`
	LabelsAll      types.Map               `tfsdk:"labels_all"`
	AnnotationsAll types.Map               `tfsdk:"annotations_all"`
	ForceConflicts types.Bool              `tfsdk:"force_conflicts"`
	Patch          types.Dynamic           `tfsdk:"patch"`
	Timeouts       timeouts.Value          `tfsdk:"timeouts"`
	Status         types.Object            `tfsdk:"status"`
	Objects        types.List              `tfsdk:"objects"`
}

// Namespaced are the attributes of resources that live in a namespace and may
// have something to wait for.
type Namespaced struct {
	Common
	Namespace types.String `tfsdk:"namespace"`
	WaitFor   types.String `tfsdk:"wait_for"`
	OnFailure types.String `tfsdk:"on_failure"`
}

// Base gives the lifecycle the common attributes of any model.
func (c *Common) Base() *Common { return c }

// Place gives the lifecycle the attributes of a namespaced model; nil for a
// cluster-wide one.
func (c *Common) Place() *Namespaced { return nil }

// Place gives the lifecycle the attributes of a namespaced model.
func (n *Namespaced) Place() *Namespaced { return n }

// based is a pointer to a model that embeds Common or Namespaced.
type based[M any] interface {
	*M
	Base() *Common
	Place() *Namespaced
}

// statusTypes is the one shape of status.
var (
	conditionType = types.ObjectType{AttrTypes: map[string]attr.Type{
		"type": types.StringType, "status": types.StringType, "reason": types.StringType, "message": types.StringType,
	}}
	statusTypes = map[string]attr.Type{
		"phase": types.StringType, "reason": types.StringType, "message": types.StringType,
		"conditions": types.ListType{ElemType: conditionType},
	}
	objectType = types.ObjectType{AttrTypes: map[string]attr.Type{
		"api_version": types.StringType, "kind": types.StringType, "namespace": types.StringType,
		"name": types.StringType, "uid": types.StringType,
	}}
)

// reserved is the prefix of the marks on objects; users cannot set keys under it.
const reserved = "mlk.dev/"

// withCommon adds the common attributes to a resource's own.
func withCommon(ctx context.Context, s schema.Schema, namespaced bool, levels []string, limits Timeouts) schema.Schema {
	all := map[string]schema.Attribute{
		"id": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: "Identifies the object on its cluster: `namespace/name`, or the name alone for cluster-wide objects. Known at plan.",
		},
		"name": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "Name of the object, a lower-case DNS name. Changing it makes a new object.",
			Validators:          []validator.String{diags.DNSSubdomain()},
		},
		"labels": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Labels of the objects, besides the provider's, over which they win. Pods do not get them: see `pod_labels` where a resource has pods. Keys under `mlk.dev/` are reserved. Default: none. Changed in place.",
			Validators:          []validator.Map{mapvalidator.KeysAre(diags.LabelKey(reserved)), mapvalidator.ValueStringsAre(diags.LabelValue())},
		},
		"annotations": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: "Annotations of the objects, besides the provider's, over which they win. Keys under `mlk.dev/` are reserved. Default: none. Changed in place.",
			Validators:          []validator.Map{mapvalidator.KeysAre(diags.AnnotationKey(reserved))},
		},
		"labels_all": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "All labels that the configuration puts on the objects: those of the provider and of `labels`.",
		},
		"annotations_all": schema.MapAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "All annotations that the configuration puts on the objects: those of the provider and of `annotations`.",
		},
		"force_conflicts": schema.BoolAttribute{
			Optional:            true,
			MarkdownDescription: "Whether to take fields that somebody else has set to another value. Default `false`: such a conflict is an error that names the field and who set it.",
		},
		"patch": schema.DynamicAttribute{
			Optional: true,
			MarkdownDescription: "Anything Kubernetes can say and no attribute does: an object keyed by the kind it changes (see `objects`), with Kubernetes' own field names, as in " +
				"`{ Job = { spec = { podReplacementPolicy = \"Failed\" } } }`. It is merged over what mlk generates, as `kubectl patch` does; null removes a generated field. " +
				"Fields set here are owned, and drift on them is seen, like any other.",
		},
		"timeouts": timeoutsAttribute(ctx, limits),
		"status": schema.SingleNestedAttribute{
			Computed:            true,
			MarkdownDescription: "What the cluster last showed of the object.",
			Attributes: map[string]schema.Attribute{
				"phase":   schema.StringAttribute{Computed: true, MarkdownDescription: "One word: for example `Pending`, `Running`, `Complete`, `Failed`, `Bound`, `Active`."},
				"reason":  schema.StringAttribute{Computed: true, MarkdownDescription: "The reason of the condition that decided the phase, as Kubernetes gives it; null when there is none."},
				"message": schema.StringAttribute{Computed: true, MarkdownDescription: "A sentence for people; null when there is nothing to say."},
				"conditions": schema.ListNestedAttribute{
					Computed:            true,
					MarkdownDescription: "The conditions of the main object.",
					NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
						"type":    schema.StringAttribute{Computed: true, MarkdownDescription: "Type of the condition."},
						"status":  schema.StringAttribute{Computed: true, MarkdownDescription: "`True`, `False` or `Unknown`."},
						"reason":  schema.StringAttribute{Computed: true, MarkdownDescription: "Machine-readable reason."},
						"message": schema.StringAttribute{Computed: true, MarkdownDescription: "Message of the condition."},
					}},
				},
			},
		},
		"objects": schema.ListNestedAttribute{
			Computed:            true,
			MarkdownDescription: "The Kubernetes objects this resource owns. Planned from the configuration and read from the cluster, so an object that somebody deleted shows up as a change.",
			NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
				"api_version": schema.StringAttribute{Computed: true, MarkdownDescription: "API version, for example `batch/v1`."},
				"kind":        schema.StringAttribute{Computed: true, MarkdownDescription: "Kind, for example `Job`."},
				"namespace":   schema.StringAttribute{Computed: true, MarkdownDescription: "Namespace; null for cluster-wide objects."},
				"name":        schema.StringAttribute{Computed: true, MarkdownDescription: "Name of the object."},
				"uid":         schema.StringAttribute{Computed: true, MarkdownDescription: "Unique id the cluster gave the object. Updates and deletes touch only this one."},
			}},
		},
	}
	if namespaced {
		all["namespace"] = schema.StringAttribute{
			Optional: true, Computed: true,
			MarkdownDescription: "Namespace of the object. Default: the provider's `namespace`, else `default`; an existing object stays where it is when that default changes. Changing it makes a new object.",
			Validators:          []validator.String{diags.DNSLabel()},
		}
		wait := schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "How far create and update go before they return. Changing it changes nothing on the cluster.",
		}
		if len(levels) > 0 {
			wait.MarkdownDescription = waitForDescription(levels)
			wait.Validators = []validator.String{stringvalidator.OneOf(levels...)}
		}
		all["wait_for"] = wait
		all["on_failure"] = schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "What a failed wait does. `fail` (default): the apply ends with an error, and Terraform marks an object it has just created as tainted. " +
				"`keep`: the apply ends with warnings, the object stays as it is, and the next plan waits again.",
			Validators: []validator.String{stringvalidator.OneOf(onFailureFail, onFailureKeep)},
		}
	}
	maps.Copy(all, s.Attributes)
	s.Attributes = all
	return s
}

// timeoutsAttribute describes the bounds of create, update and delete with their
// defaults.
func timeoutsAttribute(ctx context.Context, limits Timeouts) schema.Attribute {
	usual := func(d time.Duration, levels bool) string {
		out := "Default `" + short(d) + "`"
		if levels {
			for _, l := range slices.Sorted(maps.Keys(limits.Levels)) {
				out += ", and `" + short(limits.Levels[l]) + "` with `wait_for = \"" + l + "\"`"
			}
		}
		return out + "."
	}
	a := timeouts.Attributes(ctx, timeouts.Opts{
		Create: true, CreateDescription: "Most time a create may take, with what `wait_for` asks for. " + usual(limits.Create, true),
		Update: true, UpdateDescription: "Most time an update may take, with what `wait_for` asks for. " + usual(limits.Update, true),
		Delete: true, DeleteDescription: "Most time until the objects are gone. " + usual(limits.Delete, false) + " What counts is the state: apply a change before destroying.",
	})
	if nested, ok := a.(schema.SingleNestedAttribute); ok {
		nested.MarkdownDescription = "Bounds of single operations, as `90s`, `30m` or `2h45m`. An operation that takes longer ends with an explanation of what it was waiting for. Changing them changes nothing on the cluster."
		return nested
	}
	return a
}

// short writes a duration as people do: 30m rather than 30m0s.
func short(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// The values of on_failure.
const (
	onFailureFail = "fail"
	onFailureKeep = "keep"
)

func waitForDescription(levels []string) string {
	d := "How far create and update go before they return: "
	for i, l := range levels {
		if i > 0 {
			d += ", "
		}
		d += "`" + l + "`"
	}
	return d + ". Default `" + levels[0] + "`. Changing it changes nothing on the cluster."
}
