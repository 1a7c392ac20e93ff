package gpunodepool

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
	"github.com/mlkube/terraform-provider-mlk/internal/gpu"
	"github.com/mlkube/terraform-provider-mlk/internal/kube"
	"github.com/mlkube/terraform-provider-mlk/internal/lifecycle"
	"github.com/mlkube/terraform-provider-mlk/internal/nodepool"
	"github.com/mlkube/terraform-provider-mlk/internal/wait"
)

// Defaults of the GPU Operator.
const (
	defaultNamespace = "gpu-operator"
	defaultConfigMap = "device-plugin-config"
	defaultResource  = "nvidia.com/gpu"
	migDisabled      = "all-disabled"
	labelCount       = "nvidia.com/gpu.count"
	labelCapable     = "nvidia.com/mig.capable"
)

// Reasons of waiting for a layout.
const (
	reasonMIG     = "MIGPending"
	reasonSharing = "SharingPending"
)

// layout is how the GPUs of a pool are divided.
type layout struct {
	// mig is the name of the MIG layout; "" leaves it alone.
	mig    string
	plugin nodepool.Plugin
	// key is the plugin's configuration, files what is in the ConfigMap ref for it;
	// nil without one.
	key   string
	files nodepool.Files
	ref   kube.Ref
}

// layout reads what the model says; all of it is known.
func (m *Model) layout() layout {
	l := layout{ref: kube.Ref{Kind: kube.ConfigMap, Namespace: defaultNamespace, Name: defaultConfigMap}}
	text := func(o types.Object, name string) string { return plainText(o.Attributes()[name]) }
	flag := func(o types.Object, name string) bool {
		b, _ := o.Attributes()[name].(types.Bool)
		return b.ValueBool()
	}
	l.mig, l.plugin.MIGStrategy = text(m.MIG, "config"), text(m.MIG, "strategy")
	if !m.Sharing.IsNull() {
		replicas, _ := m.Sharing.Attributes()["replicas"].(types.Int64)
		l.plugin.Sharing, l.plugin.Replicas = text(m.Sharing, "strategy"), replicas.ValueInt64()
		l.plugin.Rename, l.plugin.FailGreater = flag(m.Sharing, "rename"), flag(m.Sharing, "fail_requests_greater_than_one")
		if l.plugin.Resource = text(m.Sharing, "resource"); l.plugin.Resource == "" {
			l.plugin.Resource = defaultResource
		}
	}
	if v := text(m.PluginConfig, "namespace"); v != "" {
		l.ref.Namespace = v
	}
	if v := text(m.PluginConfig, "name"); v != "" {
		l.ref.Name = v
	}
	if !l.plugin.Nothing() {
		l.key = l.plugin.Key(m.Name.ValueString())
		l.files = nodepool.Files{l.key: l.plugin.Text()}
	}
	return l
}

// ask adds the labels that ask for the layout.
func (l layout) ask(w nodepool.Wanted) nodepool.Wanted {
	add := func(key, value string) {
		labels := map[string]string{key: value}
		for k, v := range w.Labels {
			labels[k] = v
		}
		w.Labels, w.Takes = labels, append(w.Takes, key)
	}
	if l.mig != "" {
		add(gpu.LabelMIGConfig, l.mig)
		w.Stale = map[string]string{gpu.LabelMIGConfig: gpu.LabelMIGState}
	}
	if l.key != "" {
		add(nodepool.LabelPlugin, l.key)
		w.Plugin = l.ref.Namespace + "/" + l.ref.Name
	}
	return w
}

// written reports whether what the nodes refer to is there.
func (l layout) written(ctx context.Context, client *kube.Client, _ string) (bool, error) {
	if l.files == nil {
		return true, nil
	}
	live, err := client.Get(ctx, l.ref)
	if err != nil {
		return false, err
	}
	return live != nil && l.files.Has(live), nil
}

// doing is what a Ready node still has to do; "" when it has the layout.
func (l layout) doing(n *corev1.Node) string {
	facts := gpu.Of(n)
	if l.mig != "" && facts.MIGState != "success" {
		if facts.MIGState == "" {
			return fmt.Sprintf("the MIG manager has not taken up layout %s yet", l.mig)
		}
		return fmt.Sprintf("MIG layout %s is %s", l.mig, facts.MIGState)
	}
	if l.plugin.Sharing == "" || n.Labels[labelCount] == "" {
		return ""
	}
	count, err := strconv.ParseInt(n.Labels[labelCount], 10, 64)
	if err != nil {
		return ""
	}
	name := corev1.ResourceName(l.plugin.Offers())
	whole, able := n.Status.Capacity[name], n.Status.Allocatable[name]
	if l.plugin.Resource != defaultResource { // shares of MIG devices: how many there are nobody has told
		count = 0
	}
	if facts.Replicas != l.plugin.Replicas || able.Value() == 0 || count > 0 && whole.Value() != count*l.plugin.Replicas {
		return fmt.Sprintf("it offers %d of %s, and would %s", able.Value(), name, l.shares(count))
	}
	return ""
}

func (l layout) shares(count int64) string {
	if count == 0 {
		return fmt.Sprintf("have %d shares of each", l.plugin.Replicas)
	}
	return fmt.Sprintf("offer %d: %s in %d shares each", count*l.plugin.Replicas, counted(int(count), "GPU"), l.plugin.Replicas)
}

// judge is how far the Ready nodes are. Those that are not Ready cannot change
// anything now; min_nodes waits for them.
func (l layout) judge(w nodepool.Wanted, nodes []*corev1.Node) wait.Verdict {
	reason, what := reasonMIG, "MIG layout "+l.mig
	if l.mig == "" {
		reason, what = reasonSharing, "their GPUs shared by "+strconv.FormatInt(l.plugin.Replicas, 10)
	}
	total, done := 0, 0
	for _, n := range nodes {
		if !w.Matches(n) || !gpu.Ready(n) || l.mig == "" && l.plugin.Sharing == "" {
			continue
		}
		if l.mig != "" && gpu.Of(n).MIGState == "failed" && w.Complete(n) {
			return wait.Of(wait.Failed, "Failed", "MIGFailed", fmt.Sprintf("MIG layout %s failed on node %s", l.mig, n.Name))
		}
		total++
		if l.doing(n) == "" {
			done++
		}
	}
	if done < total {
		return wait.Of(wait.Progressing, phaseWaiting, reason, fmt.Sprintf("%d of %s have %s", done, counted(total, "node"), what))
	}
	return wait.Of(wait.Done, phaseReady, "", "")
}

// failed explains a layout that the MIG manager could not make.
func (l layout) failed(w nodepool.Wanted, nodes []*corev1.Node) diags.Message {
	var bad, products []string
	for _, n := range nodes {
		if facts := gpu.Of(n); w.Matches(n) && facts.MIGState == "failed" {
			bad = append(bad, n.Name)
			if !slices.Contains(products, facts.Product) {
				products = append(products, facts.Product)
			}
		}
	}
	if len(bad) == 0 {
		bad = []string{"a node that has gone"}
	}
	return diags.Message{
		Summary: lifecycle.Clip(fmt.Sprintf("MIG layout %q failed on %s of %s", l.mig, counted(len(bad), "node"), title(w.Pool))),
		Happened: fmt.Sprintf("The MIG manager set %s=failed on %s, whose GPUs are %s. The layouts that it knows are in its ConfigMap (default-mig-parted-config), "+
			"and not every kind of GPU has each; it fails as well where pods still use the GPUs.", gpu.LabelMIGState, some(bad), strings.Join(products, ", ")),
		Stands: "The label that asks for the layout is set; the GPUs are as the MIG manager left them.",
		Do:     fmt.Sprintf("Choose a layout that these GPUs have, or see why in its log: kubectl logs -n %s -l app=nvidia-mig-manager", l.ref.Namespace),
		At:     path.Root("mig").AtName("config"),
	}
}

// unfit says at plan which nodes have GPUs that cannot be divided so.
func (l layout) unfit(nodes []*corev1.Node) diag.Diagnostics {
	var not []string
	for _, n := range nodes {
		if l.mig != "" && l.mig != migDisabled && n.Labels[labelCapable] == "false" {
			not = append(not, n.Name)
		}
	}
	if len(not) == 0 {
		return nil
	}
	return diag.Diagnostics{diags.Message{
		Summary:  lifecycle.Clip(fmt.Sprintf("The GPUs of %s cannot be divided by MIG", counted(len(not), "node"))),
		Happened: fmt.Sprintf("GPU Feature Discovery says %s=false on %s.", labelCapable, some(not)),
		Do:       "Select nodes with A100, H100 or newer data-centre GPUs, or share these by sharing.",
		At:       path.Root("mig"),
	}.Error()}
}

// refused says why the ConfigMap could not be written.
func (l layout) refused(pool string, err error) diag.Diagnostics {
	if apierrors.IsNotFound(err) {
		return diag.Diagnostics{diags.Message{
			Summary:  lifecycle.Clip(fmt.Sprintf("Namespace %s does not exist", l.ref.Namespace)),
			Happened: fmt.Sprintf("%s writes the device plugin's configuration into %s.", title(pool), l.ref),
			Do:       "Set device_plugin_config to the ConfigMap that the device plugin reads: with the GPU Operator it is in its namespace, and named in devicePlugin.config of the ClusterPolicy.",
			At:       path.Root("device_plugin_config"),
		}.Error()}
	}
	return lifecycle.Refusal(title(pool), l.ref, "write", err, "No node was changed.")
}

func migValue(config string) types.Object {
	return types.ObjectValueMust(migTypes, map[string]attr.Value{"config": types.StringValue(config), "strategy": types.StringNull()})
}

// adoptPlugin reads what a pool's nodes say of the device plugin's configuration: where
// it is, and from there what it is. Without either it stays unsaid.
func (m *Model) adoptPlugin(ctx context.Context, client *kube.Client, nodes []*corev1.Node) error {
	for _, n := range nodes {
		r, _ := nodepool.RecordOf(n, m.Name.ValueString())
		namespace, name, ok := strings.Cut(r.Plugin, "/")
		if !ok {
			continue
		}
		live, err := client.Get(ctx, kube.Ref{Kind: kube.ConfigMap, Namespace: namespace, Name: name})
		if err != nil || live == nil {
			return err
		}
		text, _ := kube.At(live.Object, "data", n.Labels[nodepool.LabelPlugin])
		p, ok := nodepool.ParsePlugin(textOf(text))
		if !ok {
			return nil
		}
		m.say(p)
		if namespace != defaultNamespace || name != defaultConfigMap {
			m.PluginConfig = types.ObjectValueMust(pluginTypes, map[string]attr.Value{"namespace": types.StringValue(namespace), "name": types.StringValue(name)})
		}
		return nil
	}
	return nil
}

// say puts a configuration of the device plugin into the model, without defaults.
func (m *Model) say(p nodepool.Plugin) {
	if p.MIGStrategy != "" && !m.MIG.IsNull() {
		inner := m.MIG.Attributes()
		inner["strategy"] = types.StringValue(p.MIGStrategy)
		m.MIG = types.ObjectValueMust(migTypes, inner)
	}
	if p.Sharing == "" {
		return
	}
	yes := func(b bool) types.Bool {
		if !b {
			return types.BoolNull()
		}
		return types.BoolValue(true)
	}
	what := types.StringNull()
	if p.Resource != defaultResource {
		what = types.StringValue(p.Resource)
	}
	m.Sharing = types.ObjectValueMust(sharingTypes, map[string]attr.Value{
		"strategy": types.StringValue(p.Sharing), "replicas": types.Int64Value(p.Replicas), "rename": yes(p.Rename),
		"fail_requests_greater_than_one": yes(p.FailGreater), "resource": what,
	})
}
