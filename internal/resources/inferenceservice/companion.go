package inferenceservice

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/mlkube/terraform-provider-mlk/internal/kube"
)

// companion finds, among all objects of a kind in the namespace, the one that
// belongs to an imported Deployment: the Service that leads to its pods, the
// autoscaler that scales it. Of several Services it takes the one of the same name, else one that has an address.
func companion(main *kube.Object, k kube.Kind, all []*kube.Object) *kube.Object {
	d, ds := deploymentOf(kube.Live{main.GetKind(): main})
	if d == nil || ds.HasError() {
		return nil
	}
	if d.Kind == kube.InferenceService.Kind && k != kube.PodDisruptionBudget {
		return nil // KServe makes the others itself
	}
	d = asPods(d)
	if k != kube.Service {
		return satelliteOf(d, k, all)
	}
	found := slices.DeleteFunc(slices.Clone(all), func(o *kube.Object) bool {
		s, err := kube.Typed[corev1.Service](kube.Live{"": o}, "")
		return err != nil || s == nil || len(s.Spec.Selector) == 0 || s.Spec.Type == corev1.ServiceTypeExternalName ||
			!labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(d.Spec.Template.Labels))
	})
	slices.SortFunc(found, func(a, b *kube.Object) int {
		return cmp.Or(rank(main, a)-rank(main, b), cmp.Compare(a.GetName(), b.GetName()))
	})
	if len(found) == 0 {
		return nil
	}
	return found[0]
}

func rank(main, o *kube.Object) int {
	address, _ := kube.At(o.Object, "spec", "clusterIP")
	switch {
	case o.GetName() == main.GetName():
		return 0
	case address != corev1.ClusterIPNone:
		return 1
	}
	return 2
}

// reserved reports whether an annotation is one of the marks of mlk.
func reserved(key string) bool { return strings.HasPrefix(key, "mlk.dev/") }

// plainObject is an apply configuration as plain JSON values.
func plainObject(ac any) (map[string]any, error) {
	raw, err := json.Marshal(ac)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	return out, utiljson.Unmarshal(raw, &out)
}
