package testkit

import (
	"context"
	"os"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-testing/config"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Acceptance is what one acceptance test works with: a namespace of its own on
// the cluster of $KUBECONFIG, and a client to assert what is really there.
type Acceptance struct {
	// Namespace is new and random; it is deleted when the test ends.
	Namespace string
	// Kube asserts the cluster.
	Kube kubernetes.Interface
	// Config connects other clients.
	Config *rest.Config

	t testing.TB
}

// NewAcceptance skips the test unless TF_ACC is set, and makes its namespace.
func NewAcceptance(t *testing.T) *Acceptance {
	t.Helper()
	if os.Getenv("TF_ACC") == "" {
		t.Skip("acceptance test: needs a cluster and TF_ACC=1 (make testacc)")
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatalf("KUBECONFIG names no cluster: %v", err)
	}
	cfg.QPS = -1
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "acc-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("make a namespace: %v", err)
	}
	t.Cleanup(func() {
		// The test's context has ended by now.
		if err := client.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{}); err != nil {
			t.Logf("namespace %s stays behind: %v", ns.Name, err)
		}
	})
	return &Acceptance{Namespace: ns.Name, Kube: client, Config: cfg, t: t}
}

// Variables are the variables of the test's configurations: its namespace, and
// what is given in pairs.
func (a *Acceptance) Variables(pairs ...string) config.Variables {
	v := config.Variables{"namespace": config.StringVariable(a.Namespace)}
	for i := 0; i+1 < len(pairs); i += 2 {
		v[pairs[i]] = config.StringVariable(pairs[i+1])
	}
	return v
}

// Providers serves the provider under the name mlk to the tests' Terraform.
func Providers(p func() provider.Provider) map[string]func() (tfprotov6.ProviderServer, error) {
	return map[string]func() (tfprotov6.ProviderServer, error){"mlk": func() (tfprotov6.ProviderServer, error) { return serve(p()), nil }}
}
