package main

import (
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/component"
)

// An engine is a component as any other: it works, its death ends the cluster and is
// told, and nothing is left of it.
func TestAccEngineIsAComponent(t *testing.T) { //nolint:paralleltest // newProgram sets the environment
	p := newProgram(t)
	if out, err := p.run("up", "--engine", "jobset"); err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	groups, err := p.client().Discovery().ServerResourcesForGroupVersion("jobset.x-k8s.io/v1alpha2")
	if err != nil || len(groups.APIResources) == 0 {
		t.Errorf("JobSets are not served: %v", err)
	}
	s := p.state()
	if err := s.Process("jobset").Identity.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.eventually("the cluster has ended after the death of its engine", func() bool {
		return !s.Process(component.APIServer).Identity.Alive()
	})
	if out, err := p.run("status"); err == nil || !strings.Contains(out, "jobset ended") || !strings.Contains(out, s.Process("jobset").Log) {
		t.Errorf("status: %v\n%s", err, out)
	}
}

var services = schema.GroupVersionResource{Group: "serving.kserve.io", Version: "v1beta1", Resource: "inferenceservices"}

// KServe serves what is in a container of one's own, fetches a model for a runtime of
// its own, and says what it cannot serve.
func TestAccEngineKServe(t *testing.T) { //nolint:paralleltest // newProgram sets the environment
	p := newProgram(t)
	if out, err := p.run("up", "--engine", "kserve"); err != nil {
		t.Fatalf("up: %v\n%s", err, out)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", p.dir.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	client := dynamic.NewForConfigOrDie(cfg).Resource(services).Namespace("default")
	for name, test := range map[string]struct {
		predictor map[string]any
		// state and reason are where it ends; initializers are the init containers of
		// its pods.
		state, reason string
		initializers  int
	}{
		"container": {
			predictor: map[string]any{"containers": []any{map[string]any{"name": "kserve-container", "image": "server:1"}}},
			state:     "UpToDate",
		},
		"model": {
			predictor: map[string]any{"model": map[string]any{
				"modelFormat": map[string]any{"name": "sklearn"}, "runtime": "kserve-sklearnserver", "storageUri": "s3://bucket/model",
			}},
			state: "UpToDate", initializers: 1,
		},
		"unknown-runtime": {
			predictor: map[string]any{"model": map[string]any{
				"modelFormat": map[string]any{"name": "sklearn"}, "runtime": "none", "storageUri": "s3://bucket/model",
			}},
			state: "InvalidSpec", reason: "RuntimeNotRecognized",
		},
		"unknown-format": {
			predictor: map[string]any{"model": map[string]any{"modelFormat": map[string]any{"name": "none"}, "storageUri": "s3://bucket/model"}},
			state:     "InvalidSpec", reason: "NoSupportingRuntime",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &program{t: t, path: p.path, dir: p.dir}
			o := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": services.GroupVersion().String(), "kind": "InferenceService",
				"metadata": map[string]any{"name": name}, "spec": map[string]any{"predictor": test.predictor},
			}}
			if _, err := client.Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			p.eventually(name+" is "+test.state+" "+test.reason, func() bool {
				live, err := client.Get(t.Context(), name, metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				state, _, _ := unstructured.NestedString(live.Object, "status", "modelStatus", "transitionStatus")
				reason, _, _ := unstructured.NestedString(live.Object, "status", "modelStatus", "lastFailureInfo", "reason")
				// A failure that is over is still said.
				return state == test.state && (test.reason == "" || reason == test.reason)
			})
			pods, err := p.client().CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "serving.kserve.io/inferenceservice=" + name})
			if err != nil {
				t.Fatal(err)
			}
			if serves := test.state == "UpToDate"; serves != (len(pods.Items) == 1) {
				t.Errorf("%d pods, and it is %s", len(pods.Items), test.state)
			} else if serves && len(pods.Items[0].Spec.InitContainers) != test.initializers {
				t.Errorf("init containers are %v", pods.Items[0].Spec.InitContainers)
			}
		})
	}
}
