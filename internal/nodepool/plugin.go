package nodepool

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// Ways to share a GPU.
const (
	TimeSlicing = "time-slicing"
	MPS         = "mps"
)

// LabelPlugin chooses the configuration that the device plugin of a node runs with.
const LabelPlugin = "nvidia.com/device-plugin.config"

// Plugin is a configuration of NVIDIA's device plugin.
type Plugin struct {
	// MIGStrategy is "none", "single" or "mixed"; "" leaves it to the plugin.
	MIGStrategy string
	// Sharing is TimeSlicing or MPS; "" for GPUs of one's own.
	Sharing  string
	Resource string
	Replicas int64
	// Rename calls the shares <resource>.shared; FailGreater refuses containers that
	// ask for more than one share.
	Rename, FailGreater bool
}

// Nothing reports whether the configuration says nothing.
func (p Plugin) Nothing() bool { return p == Plugin{} }

// Offers is the resource name that shares have.
func (p Plugin) Offers() string {
	if p.Rename {
		return p.Resource + ".shared"
	}
	return p.Resource
}

// Text is the configuration file.
func (p Plugin) Text() string {
	file := map[string]any{"version": "v1"}
	if p.MIGStrategy != "" {
		file["flags"] = map[string]any{"migStrategy": p.MIGStrategy}
	}
	if p.Sharing != "" {
		how := map[string]any{"resources": []any{map[string]any{"name": p.Resource, "replicas": p.Replicas}}}
		if p.Rename {
			how["renameByDefault"] = true
		}
		if p.FailGreater {
			how["failRequestsGreaterThanOne"] = true
		}
		file["sharing"] = map[string]any{map[string]string{TimeSlicing: "timeSlicing", MPS: "mps"}[p.Sharing]: how}
	}
	raw, err := yaml.Marshal(file)
	if err != nil {
		return "" // strings and numbers: it cannot happen
	}
	return string(raw)
}

// ParsePlugin reads a configuration that Text has written; not ok for another.
func ParsePlugin(text string) (Plugin, bool) {
	var file struct {
		Flags struct {
			MIGStrategy string `json:"migStrategy"`
		} `json:"flags"`
		Sharing map[string]struct {
			Rename      bool `json:"renameByDefault"`
			FailGreater bool `json:"failRequestsGreaterThanOne"`
			Resources   []struct {
				Name     string `json:"name"`
				Replicas int64  `json:"replicas"`
			} `json:"resources"`
		} `json:"sharing"`
	}
	if yaml.Unmarshal([]byte(text), &file) != nil {
		return Plugin{}, false
	}
	p := Plugin{MIGStrategy: file.Flags.MIGStrategy}
	for name, how := range map[string]string{"timeSlicing": TimeSlicing, "mps": MPS} {
		if s, ok := file.Sharing[name]; ok && len(s.Resources) == 1 {
			p.Sharing, p.Rename, p.FailGreater = how, s.Rename, s.FailGreater
			p.Resource, p.Replicas = s.Resources[0].Name, s.Resources[0].Replicas
		}
	}
	return p, !p.Nothing() && p.Text() == text
}

// Key is the name of the configuration, which is the value of a label. It differs
// where the configuration does: a node gets another one by another label, at once,
// and not when a changed file has found its way to it.
func (p Plugin) Key(pool string) string {
	sum := sha256.Sum256([]byte(p.Text()))
	const short = 2
	key := pool + "-" + hex.EncodeToString(sum[:short])
	if p.Rename {
		key += "-shared"
	}
	switch p.Sharing {
	case TimeSlicing:
		return fmt.Sprintf("%s-ts-%d", key, p.Replicas)
	case MPS:
		return fmt.Sprintf("%s-mps-%d", key, p.Replicas)
	}
	return key + "-mig-" + p.MIGStrategy
}

// Files are configurations by key, in a ConfigMap that several pools share.
type Files map[string]string

// Has reports whether a live ConfigMap has them; nil has nothing.
func (f Files) Has(live *kube.Object) bool {
	for k, v := range f {
		if have, _ := kube.At(live.Object, "data", k); have != v {
			return false
		}
	}
	return true
}

// PutFiles makes these the only files that the pool has in the ConfigMap. Without
// any, the ConfigMap goes when nobody but pools ever wrote to it and it is empty.
func PutFiles(ctx context.Context, c *kube.Client, ref kube.Ref, pool string, files Files) error {
	if len(files) == 0 {
		return dropFiles(ctx, c, ref, pool)
	}
	data := map[string]any{}
	for k, v := range files {
		data[k] = v
	}
	_, _, err := c.Apply(ctx, ref.Kind, configMap(ref, map[string]any{"data": data}), kube.ApplyOptions{Manager: Manager(pool), Strict: true, Force: true})
	return err
}

func configMap(ref kube.Ref, more map[string]any) *kube.Object {
	o := &kube.Object{Object: map[string]any{
		"apiVersion": ref.Kind.APIVersion(), "kind": ref.Kind.Kind,
		"metadata": map[string]any{"name": ref.Name, "namespace": ref.Namespace},
	}}
	for k, v := range more {
		o.Object[k] = v
	}
	return o
}

func dropFiles(ctx context.Context, c *kube.Client, ref kube.Ref, pool string) error {
	live, err := c.Get(ctx, ref)
	if err != nil || live == nil || !writes(live, Manager(pool)) {
		return err
	}
	none := configMap(ref, nil)
	none.SetUID(live.GetUID()) // one that was just deleted must not be made anew
	live, _, err = c.Apply(ctx, ref.Kind, none, kube.ApplyOptions{Manager: Manager(pool), Strict: true, Force: true})
	if err != nil {
		return err
	}
	data, _ := kube.At(live.Object, "data")
	left, _ := data.(map[string]any)
	ours := !slices.ContainsFunc(live.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return !strings.HasPrefix(m.Manager, "mlk-") })
	if len(left) > 0 || !ours {
		return nil
	}
	_, err = c.DeleteUnchanged(ctx, ref, live)
	return err
}

// writes reports whether a field manager owns something of an object.
func writes(o *kube.Object, manager string) bool {
	return slices.ContainsFunc(o.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return m.Manager == manager })
}
