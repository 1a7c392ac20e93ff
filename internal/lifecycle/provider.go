package lifecycle

import "github.com/mlkube/terraform-provider-mlk/internal/kube"

// ProviderData is what the provider block hands to every resource and data
// source. Making it costs nothing; the client connects on first use.
type ProviderData struct {
	// Connect returns the one client of this provider configuration. It is
	// called only when Unknown is empty.
	Connect func() (*kube.Client, error)
	// Unknown names the first provider attribute that is not known yet, because
	// the cluster is made in the same apply; empty when all are known.
	Unknown string
	// Open are those of namespace, labels and annotations that are not known
	// yet, wholly or in part.
	Open []string
	// Namespace is where objects go that name no namespace; never empty.
	Namespace string
	// Labels and Annotations are put on every object.
	Labels, Annotations map[string]string
	// NoLogTails keeps the end of logs out of explanations.
	NoLogTails bool
	// ClusterChanged is "error" or "recreate": what to do when the cluster
	// behind the configuration is not the one the state was made on.
	ClusterChanged string
	// Placement is what a plan makes of pods that no node can take: PlacementWarning,
	// PlacementError or PlacementOff; "" is a warning.
	Placement string
	// Inventory is what plans know of the nodes; nil when they do not look at them.
	Inventory *Inventory
}
