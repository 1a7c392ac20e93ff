// Package shardedservice is mlk_sharded_service: pods that are told apart by a
// number, each with storage and a host name of its own, as a StatefulSet.
package shardedservice

import (
	"fmt"
	"time"

	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/listvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/mapvalidator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
)

// Model mirrors the schema of mlk_sharded_service.
type Model struct {
	lifecycle.Namespaced
	podspec.Model

	Replicas             types.Int32              `tfsdk:"replicas"`
	StartOrdinal         types.Int32              `tfsdk:"start_ordinal"`
	Selector             map[string]types.String  `tfsdk:"selector"`
	HeadlessService      types.Bool               `tfsdk:"headless_service"`
	ServiceName          types.String             `tfsdk:"service_name"`
	ClaimTemplates       map[string]ClaimTemplate `tfsdk:"claim_templates"`
	ClaimRetentionPolicy *Retention               `tfsdk:"claim_retention_policy"`
	PodManagementPolicy  types.String             `tfsdk:"pod_management_policy"`
	UpdateStrategy       *UpdateStrategy          `tfsdk:"update_strategy"`
	MinReadySeconds      types.Int32              `tfsdk:"min_ready_seconds"`
	RevisionHistoryLimit types.Int32              `tfsdk:"revision_history_limit"`
	Hosts                types.List               `tfsdk:"hosts"`
}

// ClaimTemplate is the volume claim that each pod gets.
type ClaimTemplate struct {
	Size         quantity.Value          `tfsdk:"size"`
	StorageClass types.String            `tfsdk:"storage_class"`
	AccessModes  []types.String          `tfsdk:"access_modes"`
	VolumeMode   types.String            `tfsdk:"volume_mode"`
	Labels       map[string]types.String `tfsdk:"labels"`
	Annotations  map[string]types.String `tfsdk:"annotations"`
}

// Retention is what becomes of claims.
type Retention struct {
	WhenDeleted types.String `tfsdk:"when_deleted"`
	WhenScaled  types.String `tfsdk:"when_scaled"`
}

// UpdateStrategy is how pods are replaced when their template changes.
type UpdateStrategy struct {
	Type           types.String `tfsdk:"type"`
	Partition      types.Int32  `tfsdk:"partition"`
	MaxUnavailable types.String `tfsdk:"max_unavailable"`
}

// The levels of wait_for.
const (
	levelReady   = "ready"
	levelCreated = "created"
)

// What null stands for.
const (
	rolling      = string(appsv1.RollingUpdateStatefulSetStrategyType)
	onDelete     = string(appsv1.OnDeleteStatefulSetStrategyType)
	ordered      = string(appsv1.OrderedReadyPodManagement)
	parallel     = string(appsv1.ParallelPodManagement)
	retain       = string(appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	remove       = string(appsv1.DeletePersistentVolumeClaimRetentionPolicyType)
	access       = string(corev1.ReadWriteOnce)
	filesystem   = string(corev1.PersistentVolumeFilesystem)
	revisions    = 10
	maxName      = 52 // the pods' names, and the label that holds their revision, are longer
	component    = "sharded-service"
	nameKey      = "app.kubernetes.io/name"
	componentKey = "app.kubernetes.io/component"
)

// The default bounds of waits: shards load their part of a model one after the
// other, each perhaps on a node that has to be bought.
const (
	readyTimeout  = 30 * time.Minute
	deleteTimeout = 15 * time.Minute
)

// The attributes that rules name.
var (
	templatesPath = path.Root("claim_templates")
	selectorPath  = path.Root("selector")
	headlessPath  = path.Root("headless_service")
	servicePath   = path.Root("service_name")
	policyPath    = path.Root("pod_management_policy")
	hostsPath     = path.Root("hosts")
)

// New returns the mlk_sharded_service resource.
func New() resource.Resource { return lifecycle.New[Model](Definition()) }

// Definition returns what makes a sharded service.
func Definition() lifecycle.Definition[Model] {
	return lifecycle.Definition[Model]{
		Type:        "sharded_service",
		Noun:        "Sharded service",
		Schema:      attributes,
		Owns:        []kube.Kind{kube.StatefulSet, kube.Service},
		Desired:     desired,
		Fields:      fields,
		Adopt:       adopt,
		Observe:     observe,
		Ready:       ready,
		WaitFor:     []string{levelReady, levelCreated},
		Timeouts:    lifecycle.Timeouts{Create: readyTimeout, Update: readyTimeout, Delete: deleteTimeout},
		Pods:        selector,
		Outdated:    outdated,
		PodTemplate: []string{kube.StatefulSet.Kind, "spec", "template"},
		Validate:    validate,
		Plan:        plan,
		Recast:      recast,
		Waits:       waits,
	}
}

func attributes() schema.Schema {
	all := podspec.Attributes(podspec.Options{
		OwnVolumes: true,
		Changing:   "Changing it replaces the pods, as `update_strategy` says.",
	})
	for name, a := range ownAttributes() {
		all[name] = a
	}
	return schema.Schema{
		MarkdownDescription: "Pods that are told apart by a number, each with a host name and storage of its own: parameter servers, shards of a model, vector databases. " +
			"A StatefulSet, and a headless Service that gives the pods their names, `<name>-<number>.<name>`.\n\n" +
			"`claim_templates` says which volume claims each pod gets. Raising a `size` grows them in place although Kubernetes does not allow that on a StatefulSet: the claims are grown, " +
			"then the StatefulSet is made anew around its running pods. The claims hold data: they stay when pods go or the resource is destroyed, unless `claim_retention_policy` says otherwise.\n\n" +
			"With `wait_for = \"ready\"` an apply ends when all pods are ready and, after a change, of the new revision. With `pod_management_policy = \"OrderedReady\"` Kubernetes replaces a pod of an " +
			"earlier revision only when it is ready: one that is broken has to be deleted by hand before a repaired revision can take its place.",
		Attributes: all,
	}
}

func ownAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"name": schema.StringAttribute{
			Required: true,
			MarkdownDescription: fmt.Sprintf("Name of the service, a DNS label of at most %d characters: pods are called `<name>-<number>`, claims `<template>-<name>-<number>`. Changing it makes a new service.",
				maxName),
			Validators: []validator.String{diags.DNSLabel(), stringvalidator.LengthAtMost(maxName)},
		},
		"replicas": schema.Int32Attribute{
			Optional:            true,
			MarkdownDescription: "How many pods there are; `0` stops all of them. Default: 1 at first, and then whatever an autoscaler or somebody sets. Changed in place: pods are added behind, or taken from, the last one.",
			Validators:          []validator.Int32{int32validator.AtLeast(0)},
		},
		"start_ordinal": schema.Int32Attribute{
			Optional: true, MarkdownDescription: "Number of the first pod. Default: 0. Changed in place: pods with other numbers are made, and the old ones go.",
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"selector": schema.MapAttribute{
			Optional: true, ElementType: types.StringType,
			MarkdownDescription: fmt.Sprintf("Labels by which the StatefulSet knows its pods; the pods get them. Default: `{ \"%s\" = <name>, \"%s\" = \"%s\" }`. "+
				"Set it to keep the labels of an imported StatefulSet. Changing it makes a new service.", nameKey, componentKey, component),
			Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.LabelKey()), mapvalidator.ValueStringsAre(diags.LabelValue())},
		},
		"headless_service": schema.BoolAttribute{
			Optional: true,
			MarkdownDescription: "Whether a headless Service is made that gives each pod a host name, also while it is not ready, with the `ports` of the main container. Default true. " +
				"`false`: none is made; `service_name` may name one that exists. Changed in place.",
		},
		"service_name": schema.StringAttribute{
			Optional:            true,
			MarkdownDescription: "Name of the headless Service, a DNS label. Default: `name`; without `headless_service`, none. Changing it makes a new service.",
			Validators:          []validator.String{diags.DNSLabel()},
		},
		"claim_templates": templatesAttribute(),
		"claim_retention_policy": schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "What becomes of the claims, and of the data in them. Changed in place.",
			Attributes: map[string]schema.Attribute{
				"when_deleted": schema.StringAttribute{
					Optional: true, MarkdownDescription: "When the resource is destroyed or replaced: `Retain` (default), so that a service of the same name finds them again, or `Delete`.",
					Validators: []validator.String{stringvalidator.OneOf(retain, remove)},
				},
				"when_scaled": schema.StringAttribute{
					Optional: true, MarkdownDescription: "When `replicas` is lowered, of the pods that go: `Retain` (default) or `Delete`.",
					Validators: []validator.String{stringvalidator.OneOf(retain, remove)},
				},
			},
		},
		"pod_management_policy": schema.StringAttribute{
			Optional: true,
			MarkdownDescription: "How pods are started and stopped: `OrderedReady` (default), one after the other, each when the one before is ready, or `Parallel`, all at once, as a gang that waits for its members needs. " +
				"Changing it makes a new service.",
			Validators: []validator.String{stringvalidator.OneOf(ordered, parallel)},
		},
		"update_strategy": schema.SingleNestedAttribute{
			Optional:            true,
			MarkdownDescription: "How pods are replaced when what they run changes. Default: one after the other, from the last to the first. Changed in place.",
			Attributes: map[string]schema.Attribute{
				"type": schema.StringAttribute{
					Optional: true, MarkdownDescription: "`RollingUpdate` (default), or `OnDelete`: a pod changes when somebody deletes it, and nobody waits for that.",
					Validators: []validator.String{stringvalidator.OneOf(rolling, onDelete)},
				},
				"partition": schema.Int32Attribute{
					Optional: true, MarkdownDescription: "Only pods with this number or a higher one are replaced, to try a revision on a few; lower it step by step. Default: 0, all. Only with `RollingUpdate`.",
					Validators: []validator.Int32{int32validator.AtLeast(0)},
				},
				"max_unavailable": schema.StringAttribute{
					Optional: true, MarkdownDescription: "How many pods may be away at a time during an update, as a number or a percentage such as `25%`. Default: 1. Only with `RollingUpdate`; clusters before Kubernetes 1.35 may ignore it.",
					Validators: []validator.String{stringvalidator.RegexMatches(countOrShare, "must be a number of at least 1, or a percentage such as 25%")},
				},
			},
		},
		"min_ready_seconds": schema.Int32Attribute{
			Optional: true, MarkdownDescription: "Seconds a pod must have been ready before it counts. Default: 0. Changed in place.",
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"revision_history_limit": schema.Int32Attribute{
			Optional: true, MarkdownDescription: fmt.Sprintf("How many earlier revisions `kubectl rollout undo` can go back to. Default: %d. Changed in place.", revisions),
			Validators: []validator.Int32{int32validator.AtLeast(0)},
		},
		"hosts": schema.ListAttribute{
			Computed: true, ElementType: types.StringType,
			MarkdownDescription: "Host names of the pods in the order of their numbers, as `<name>-<number>.<service>.<namespace>.svc`; empty without a Service. Known at plan when `replicas` is set.",
		},
	}
}

func templatesAttribute() schema.Attribute {
	return schema.MapNestedAttribute{
		Optional: true,
		MarkdownDescription: "Volume claims that each pod gets, by name: `{ data = { size = \"100Gi\" } }`. Where containers see them stands in `volumes` under the same name: `{ data = { mount_path = \"/data\" } }`. " +
			"Raising `size` is done in place; any other change makes a new service, which finds the claims that exist.",
		Validators: []validator.Map{mapvalidator.SizeAtLeast(1), mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.DNSLabel())},
		NestedObject: schema.NestedAttributeObject{Attributes: map[string]schema.Attribute{
			"size": schema.StringAttribute{
				Required: true, CustomType: quantity.Type{},
				MarkdownDescription: "Size of each volume, a quantity such as `100Gi`. Raising it grows the volumes there are, in place, where their class has `allow_volume_expansion = true`; volumes do not shrink.",
				Validators:          []validator.String{positive{}},
			},
			"storage_class": schema.StringAttribute{
				Optional: true, MarkdownDescription: "Name of the storage class. Default: the cluster's default class.", Validators: []validator.String{diags.DNSSubdomain()},
			},
			"access_modes": schema.ListAttribute{
				Optional: true, ElementType: types.StringType,
				MarkdownDescription: "How the volumes may be mounted: `ReadWriteOnce`, `ReadOnlyMany`, `ReadWriteMany` or `ReadWriteOncePod`. Default `[\"ReadWriteOnce\"]`.",
				Validators: []validator.List{listvalidator.SizeAtLeast(1), listvalidator.UniqueValues(), listvalidator.NoNullValues(), listvalidator.ValueStringsAre(stringvalidator.OneOf(
					access, string(corev1.ReadOnlyMany), string(corev1.ReadWriteMany), string(corev1.ReadWriteOncePod)))},
			},
			"volume_mode": schema.StringAttribute{
				Optional: true, MarkdownDescription: "`Filesystem` (default) or `Block`, a raw device: then use `device_path` in `volumes`.",
				Validators: []validator.String{stringvalidator.OneOf(filesystem, string(corev1.PersistentVolumeBlock))},
			},
			"labels": schema.MapAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Labels of the claims. Default: those of `selector`, which the cluster adds.",
				Validators: []validator.Map{mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.LabelKey()), mapvalidator.ValueStringsAre(diags.LabelValue())},
			},
			"annotations": schema.MapAttribute{
				Optional: true, ElementType: types.StringType, MarkdownDescription: "Annotations of the claims. Default: none.",
				Validators: []validator.Map{mapvalidator.NoNullValues(), mapvalidator.KeysAre(diags.AnnotationKey())},
			},
		}},
	}
}
