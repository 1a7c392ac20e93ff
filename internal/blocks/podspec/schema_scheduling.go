package podspec

import (
	"github.com/hashicorp/terraform-plugin-framework-validators/int32validator"
	"github.com/hashicorp/terraform-plugin-framework-validators/stringvalidator"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// maxLabelValue is how long the value of a label may be.
const maxLabelValue = 63

func schedulingAttribute() schema.Attribute {
	return object("Where the pod may run, and who decides. What `gpu` requires of nodes comes on top.", map[string]schema.Attribute{
		"node_pool":     text("Name of an `mlk_gpu_node_pool`: the pod runs on its nodes only, those with the label `"+poolLabel+"<name>=true`.", diags.DNSLabel()),
		"node_selector": table("Labels a node must have, with their values. Null leaves one out."),
		"node_name":     text("Name of the node the pod is put on without asking the scheduler: neither resources nor taints are looked at.", diags.DNSSubdomain()),
		"node_affinity": object("What nodes must or should be like, beyond `node_selector`.", map[string]schema.Attribute{
			"required": objects("Terms of which a node must meet one; a term is met when all it says holds.", nodeTermAttributes()),
			"preferred": objects("Terms that make a node more welcome.", withWeight(nodeTermAttributes(),
				"How much more, 1 to 100.")),
		}),
		"pod_affinity":      podAffinityAttribute("Near which pods the pod must or should run."),
		"pod_anti_affinity": podAffinityAttribute("Away from which pods the pod must or should run."),
		"tolerations":       TolerationsAttribute("Taints of nodes the pod puts up with, besides that of GPU nodes (`gpu.tolerate_taint`)."),
		"topology_spread": objects("How evenly pods are spread over topology domains.", map[string]schema.Attribute{
			"topology_key": required(text("Node label whose values are the domains, such as `topology.kubernetes.io/zone`.", stringvalidator.LengthAtLeast(1))),
			"max_skew": schema.Int32Attribute{
				Required: true, MarkdownDescription: "How many more pods one domain may have than another.", Validators: []validator.Int32{int32validator.AtLeast(1)},
			},
			"when_unsatisfiable":   required(choice("`DoNotSchedule`: the pod waits. `ScheduleAnyway`: it runs where it does least harm.", "DoNotSchedule", "ScheduleAnyway")),
			"label_selector":       selectorAttribute("The pods that count. Default: none."),
			"min_domains":          small("How many domains there should be at least; with `DoNotSchedule` only. Default 1.", int32validator.AtLeast(1)),
			"node_affinity_policy": choice("Whether nodes the pod cannot run on by selector or affinity are left out: `Honor` (default) or `Ignore`.", "Honor", "Ignore"),
			"node_taints_policy":   choice("Whether nodes with taints the pod does not tolerate are left out: `Honor` or `Ignore` (default).", "Honor", "Ignore"),
			"match_label_keys":     list("Labels of the pod whose values other pods must share to count."),
		}),
		"priority_class": text("Priority class: who goes first and who may be preempted. Default: the cluster's.", diags.DNSSubdomain()),
		"scheduler_name": text("Scheduler that places the pod, such as `kai-scheduler` or `volcano`. Default `default-scheduler`.", diags.DNSSubdomain()),
		"queue": text("Name of a Kueue `LocalQueue` of the namespace. Kueue then decides when the run starts: until there is quota it waits, which is normal and no error; "+
			"`status.phase` is `Queued` and `status.message` says what for. What can never be admitted fails at once. Needs Kueue on the cluster.", diags.DNSSubdomain(), stringvalidator.LengthAtMost(maxLabelValue)),
		"runtime_class": text("Runtime class of the pod, such as `nvidia`. Default: the node's runtime.", diags.DNSSubdomain()),
	})
}

// TolerationsAttribute is a list of tolerations.
func TolerationsAttribute(description string) schema.Attribute {
	return objects(description, map[string]schema.Attribute{
		"key":      text("Key of the taint. Default: any; `operator` must then be `Exists`."),
		"operator": choice("`Equal` (default): the taint has `value`. `Exists`: it may have any. `Lt` and `Gt` compare numbers where the cluster allows it.", "Equal", "Exists", "Lt", "Gt"),
		"value":    text("Value of the taint."),
		"effect":   choice("Effect of the taint: `NoSchedule`, `PreferNoSchedule` or `NoExecute`. Default: all.", "NoSchedule", "PreferNoSchedule", "NoExecute"),
		"seconds":  whole("Seconds the pod stays when the taint appears, for `NoExecute` only. Default: for ever."),
	}, tolerationChecks{})
}

func nodeTermAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"expressions": expressionsAttribute("Requirements on the node's labels.", "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"),
		"fields":      expressionsAttribute("Requirements on the node's fields; Kubernetes knows `metadata.name` only.", "In", "NotIn"),
	}
}

func withWeight(attributes map[string]schema.Attribute, description string) map[string]schema.Attribute {
	attributes["weight"] = schema.Int32Attribute{Required: true, MarkdownDescription: description, Validators: []validator.Int32{int32validator.Between(1, 100)}}
	return attributes
}

func expressionsAttribute(description string, operators ...string) schema.Attribute {
	allowed := ""
	for i, o := range operators {
		if i > 0 {
			allowed += ", "
		}
		allowed += "`" + o + "`"
	}
	return objects(description+" All must hold.", map[string]schema.Attribute{
		"key":      required(text("Key the requirement is about.", stringvalidator.LengthAtLeast(1))),
		"operator": required(choice("One of "+allowed+".", operators...)),
		"values":   list("Values to compare with; none for `Exists` and `DoesNotExist`, one number for `Gt` and `Lt`."),
	}, expressionChecks{})
}

func selectorAttribute(description string) schema.Attribute {
	return object(description, map[string]schema.Attribute{
		"match_labels": table("Labels with their values. Null leaves one out."),
		"expressions":  expressionsAttribute("Requirements on labels.", "In", "NotIn", "Exists", "DoesNotExist"),
	})
}

func podAffinityAttribute(description string) schema.Attribute {
	term := func() map[string]schema.Attribute {
		return map[string]schema.Attribute{
			"topology_key":        required(text("Node label whose equal values mean near, such as `kubernetes.io/hostname`.", stringvalidator.LengthAtLeast(1))),
			"label_selector":      selectorAttribute("The pods meant. Default: none."),
			"namespaces":          list("Namespaces of those pods. Default: the pod's own, unless `namespace_selector` is set."),
			"namespace_selector":  selectorAttribute("Namespaces of those pods by label; `{}` means all."),
			"match_label_keys":    list("Labels of the pod whose values those pods must share."),
			"mismatch_label_keys": list("Labels of the pod whose values those pods must not share."),
		}
	}
	return object(description, map[string]schema.Attribute{
		"required":  objects("Terms that must all be met.", term()),
		"preferred": objects("Terms that make a node more welcome.", withWeight(term(), "How much more, 1 to 100.")),
	})
}
