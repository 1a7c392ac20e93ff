package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

// The files beside an engine's program.
const (
	crdsFile     = "crds.yaml"
	webhooksFile = "webhooks.yaml"
	// objectsFile is there only where installers bring more.
	objectsFile = "objects.yaml"
)

// manager is who applies manifests, for the server's records.
const manager = "devcluster"

// glance is how often something that cannot be watched is asked again.
const glance = 100 * time.Millisecond

var (
	crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	// kinds are what manifests of engines hold, besides Services: nothing is reached
	// through those here.
	kinds = map[string]schema.GroupVersionResource{
		"CustomResourceDefinition":       crds,
		"MutatingWebhookConfiguration":   {Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"},
		"ValidatingWebhookConfiguration": {Group: "admissionregistration.k8s.io", Version: "v1", Resource: "validatingwebhookconfigurations"},
		"KWOKNodeClass":                  {Group: "karpenter.kwok.sh", Version: "v1alpha1", Resource: "kwoknodeclasses"},
		"ClusterTrainingRuntime":         {Group: "trainer.kubeflow.org", Version: "v1alpha1", Resource: "clustertrainingruntimes"},
		"ClusterServingRuntime":          {Group: "serving.kserve.io", Version: "v1alpha1", Resource: "clusterservingruntimes"},
		"ClusterStorageContainer":        {Group: "serving.kserve.io", Version: "v1alpha1", Resource: "clusterstoragecontainers"},
		"Namespace":                      {Version: "v1", Resource: "namespaces"},
		"ConfigMap":                      {Version: "v1", Resource: "configmaps"},
	}
)

// InstallCRDs makes the kinds of an engine known, which need not run, and waits until
// they are served. self is the path of this binary.
func InstallCRDs(ctx context.Context, client dynamic.Interface, self, name string) error {
	dir, err := find(self, name, crdsFile)
	if err != nil {
		return fmt.Errorf("CRDs of %s: %w", name, err)
	}
	return installCRDs(ctx, client, dir)
}

// InstallCRDs makes the engine's kinds known and waits until they are served.
func (e Engine) InstallCRDs(ctx context.Context, client dynamic.Interface) error {
	return installCRDs(ctx, client, e.built)
}

func installCRDs(ctx context.Context, client dynamic.Interface, dir string) error {
	objects, err := read(filepath.Join(dir, crdsFile))
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := apply(ctx, client, o); err != nil {
			return err
		}
	}
	for _, o := range objects {
		if err := until(ctx, func() (bool, error) {
			live, err := client.Resource(crds).Get(ctx, o.GetName(), metav1.GetOptions{})
			return err == nil && established(live), err
		}); err != nil {
			return fmt.Errorf("wait for the CRD %s to be served: %w", o.GetName(), err)
		}
	}
	return nil
}

// Configure writes to the cluster what the engine reads there when it starts: KServe has
// no file for it.
func (e Engine) Configure(ctx context.Context, client dynamic.Interface) error {
	if e.Name != kserve {
		return nil
	}
	return applyAll(ctx, client, e.configuration())
}

// AwaitReady asks the engine until it says that it is ready.
func (e Engine) AwaitReady(ctx context.Context) error {
	err := until(ctx, func() (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.Health(), http.NoBody)
		if err != nil {
			return false, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(body))
		}
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("engine %s is not ready: %w", e.Name, err)
	}
	return nil
}

// InstallWebhooks makes the API server ask the engine about the objects it guards. The
// engine must be ready: until it answers, such objects are refused.
func (e Engine) InstallWebhooks(ctx context.Context, client dynamic.Interface) error {
	objects, err := read(filepath.Join(e.built, webhooksFile))
	if errors.Is(err, fs.ErrNotExist) && (e.Name == karpenter || e.Name == volcano) {
		return nil // Karpenter's CRDs say all that is to be checked, and a scheduler checks nothing
	}
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(filepath.Join(e.Dir, "ca.crt"))
	if err != nil {
		return fmt.Errorf("read the authority of engine %s: %w", e.Name, err)
	}
	for _, o := range objects {
		if o.GetKind() == "Service" {
			continue
		}
		// The modules give them all the same names; installers prefix them.
		o.SetName(e.Name + "-" + o.GetName())
		if err := redirect(o, e.WebhookPort, authority); err != nil {
			return err
		}
		if err := apply(ctx, client, o); err != nil {
			return err
		}
	}
	return nil
}

// class is what Karpenter makes machines of, which its installers leave to others.
var class = &unstructured.Unstructured{Object: map[string]any{
	"apiVersion": "karpenter.kwok.sh/v1alpha1", "kind": "KWOKNodeClass", "metadata": map[string]any{"name": "default"},
}}

// InstallObjects makes what comes with the engine: the training runtimes of Kubeflow
// Trainer, at which its webhooks look, the serving runtimes of KServe, and the node
// class of Karpenter.
func (e Engine) InstallObjects(ctx context.Context, client dynamic.Interface) error {
	if e.Name == karpenter {
		return apply(ctx, client, class.DeepCopy())
	}
	err := applyAll(ctx, client, filepath.Join(e.built, objectsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// redirect turns the Service of each webhook into a URL on this machine.
func redirect(o *unstructured.Unstructured, port int, authority []byte) error {
	webhooks, _, err := unstructured.NestedSlice(o.Object, "webhooks")
	if err != nil {
		return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
	}
	for i, w := range webhooks {
		hook, ok := w.(map[string]any)
		if !ok {
			return fmt.Errorf("%s %s: webhook %d is no object", o.GetKind(), o.GetName(), i)
		}
		at, _, err := unstructured.NestedString(hook, "clientConfig", "service", "path")
		if err != nil {
			return fmt.Errorf("%s %s: webhook %d: %w", o.GetKind(), o.GetName(), i, err)
		}
		hook["clientConfig"] = map[string]any{
			"url":      (&url.URL{Scheme: "https", Host: "127.0.0.1:" + strconv.Itoa(port), Path: at}).String(),
			"caBundle": base64.StdEncoding.EncodeToString(authority),
		}
	}
	return unstructured.SetNestedSlice(o.Object, webhooks, "webhooks")
}

func read(path string) ([]*unstructured.Unstructured, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	const buffer = 4096
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), buffer)
	var out []*unstructured.Unstructured
	for {
		o := &unstructured.Unstructured{}
		switch err := decoder.Decode(&o.Object); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", path, err)
		case len(o.Object) > 0:
			out = append(out, o)
		}
	}
}

// applyAll applies the objects of a file in their order.
func applyAll(ctx context.Context, client dynamic.Interface, path string) error {
	objects, err := read(path)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if err := apply(ctx, client, o); err != nil {
			return err
		}
	}
	return nil
}

func apply(ctx context.Context, client dynamic.Interface, o *unstructured.Unstructured) error {
	resource, ok := kinds[o.GetKind()]
	if !ok {
		return fmt.Errorf("%s %s: devcluster installs no such kind", o.GetKind(), o.GetName())
	}
	if _, err := client.Resource(resource).Namespace(o.GetNamespace()).Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: manager, Force: true}); err != nil {
		return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return nil
}

// established reports whether the server serves a CRD's kind.
func established(crd *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	for _, c := range conditions {
		if c, ok := c.(map[string]any); ok && c["type"] == "Established" {
			return c["status"] == string(metav1.ConditionTrue)
		}
	}
	return false
}

// until asks until the answer is yes, or ctx ends; then it says what the last answer was.
func until(ctx context.Context, ask func() (bool, error)) error {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		yes, err := ask()
		if yes {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
