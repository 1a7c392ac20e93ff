package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// poolWorkers is how many nodes the provider writes at once (nodepool.Concurrent).
const poolWorkers = 20

// benchPool measures one pool of many nodes: labelled and tainted in one apply,
// planned again with nothing to do, and destroyed.
func benchPool(nodes, runs int) error {
	root, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mlk-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	config, err := bigConfig(dir, nodes)
	if err != nil {
		return err
	}
	kubeconfig, stop, err := cluster(root, "bench-pool", config)
	if err != nil {
		return err
	}
	defer stop()
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	rc, err := mirror(root, dir)
	if err != nil {
		return err
	}
	var ours, floor []figures
	var bares []bareFigures
	for i := range runs {
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, runs)
		f, err := measure(filepath.Join(dir, fmt.Sprint("noop", i)), rc, kubeconfig, noopConfig(1))
		if err != nil {
			return err
		}
		floor = append(floor, f)
		o, err := measure(filepath.Join(dir, fmt.Sprint("mlk", i)), rc, kubeconfig, poolConfig)
		if err != nil {
			return err
		}
		ours = append(ours, o)
		b, err := barePool(context.Background(), cfg)
		if err != nil {
			return err
		}
		bares = append(bares, b)
	}
	reportPool(nodes, runs, ours, floor, bares)
	return nil
}

const poolConfig = `terraform {
  required_providers { mlk = { source = "mlkube/mlk" } }
}
provider "mlk" {}
resource "mlk_gpu_node_pool" "big" {
  name          = "big"
  node_selector = { "nvidia.com/gpu.present" = "true" }
  labels        = { accelerator = "nvidia-h100", node-type = "gpu" }
  taints        = [{ key = "nvidia.com/gpu", value = "present", effect = "NoSchedule" }]
}
`

// bareFigures are what client-go alone takes.
type bareFigures struct{ apply, list, remove time.Duration }

// barePool labels and taints all GPU nodes and takes that away again, with two
// requests a node as the provider has: labels have owners only where they are
// applied, and taints are one list that must not be written over somebody else's.
func barePool(ctx context.Context, cfg *rest.Config) (f bareFigures, err error) {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS = -1
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return f, err
	}
	write := func(labels map[string]string, taint bool) error {
		all, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "nvidia.com/gpu.present=true"})
		if err != nil {
			return err
		}
		return atOnce(poolWorkers, len(all.Items), func(i int) error {
			n := &all.Items[i]
			var taints []corev1.Taint
			if taint {
				taints = append(n.Spec.Taints, corev1.Taint{Key: "nvidia.com/gpu", Value: "present", Effect: corev1.TaintEffectNoSchedule})
			}
			patch, err := json.Marshal(map[string]any{
				"metadata": map[string]any{"resourceVersion": n.ResourceVersion}, "spec": map[string]any{"taints": taints},
			})
			if err != nil {
				return err
			}
			if _, err := client.CoreV1().Nodes().Patch(ctx, n.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "bench"}); err != nil {
				return err
			}
			_, err = client.CoreV1().Nodes().Apply(ctx, coreac.Node(n.Name).WithUID(n.UID).WithLabels(labels), metav1.ApplyOptions{FieldManager: "bench"})
			return err
		})
	}
	start := time.Now()
	if err := write(map[string]string{"accelerator": "nvidia-h100", "node-type": "gpu", "pool.mlk.dev/big": "true"}, true); err != nil {
		return f, err
	}
	f.apply = time.Since(start)
	start = time.Now()
	if _, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{}); err != nil {
		return f, err
	}
	f.list = time.Since(start)
	start = time.Now()
	err = write(nil, false)
	f.remove = time.Since(start)
	return f, err
}

func reportPool(nodes, runs int, ours, floor []figures, bares []bareFigures) {
	plan := func(f figures) float64 { return f.plan.wall.Seconds() }
	apply := func(f figures) float64 { return f.apply.wall.Seconds() }
	destroy := func(f figures) float64 { return f.destroy.wall.Seconds() }
	memory := func(f figures) float64 {
		return float64(max(f.plan.provider, f.apply.provider, f.destroy.provider)) / (1 << 20)
	}
	bare := func(of func(bareFigures) time.Duration) float64 {
		return median(bares, func(b bareFigures) float64 { return of(b).Seconds() })
	}
	applied := bare(func(b bareFigures) time.Duration { return b.apply })
	removed := bare(func(b bareFigures) time.Duration { return b.remove })
	fmt.Printf("a pool of %d nodes, %d processors, median of %d runs, whole processes\n\n", nodes, runtime.NumCPU(), runs)
	fmt.Println("| | mlk | no-op provider | client-go alone |")
	fmt.Println("|---|---:|---:|---:|")
	fmt.Printf("| apply: label and taint | %.2f s | %.2f s | %.2f s |\n", median(ours, apply), median(floor, apply), applied)
	fmt.Printf("| plan, nothing to do | %.2f s | %.2f s | %.3f s |\n", median(ours, plan), median(floor, plan), bare(func(b bareFigures) time.Duration { return b.list }))
	fmt.Printf("| destroy: give back | %.2f s | %.2f s | %.2f s |\n", median(ours, destroy), median(floor, destroy), removed)
	fmt.Printf("| memory of the provider | %.0f MB | | |\n\n", median(ours, memory))
	fmt.Printf("ratio nodes apply %.2f\n", median(ours, apply)/(median(floor, apply)+applied))
	fmt.Printf("ratio nodes destroy %.2f\n", median(ours, destroy)/(median(floor, destroy)+removed))
}
