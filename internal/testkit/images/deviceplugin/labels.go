package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
)

// discovered are the labels that GPU Feature Discovery and the GPU Operator put
// on a node of A100s.
func discovered(count int) map[string]string {
	return map[string]string{
		"feature.node.kubernetes.io/pci-10de.present": "true",
		"nvidia.com/cuda.driver-version.full":         "570.133.20",
		"nvidia.com/cuda.driver-version.major":        "570",
		"nvidia.com/cuda.driver-version.minor":        "133",
		"nvidia.com/cuda.driver-version.revision":     "20",
		"nvidia.com/cuda.driver.major":                "570",
		"nvidia.com/cuda.driver.minor":                "133",
		"nvidia.com/cuda.driver.rev":                  "20",
		"nvidia.com/cuda.runtime-version.full":        "12.8",
		"nvidia.com/cuda.runtime-version.major":       "12",
		"nvidia.com/cuda.runtime-version.minor":       "8",
		"nvidia.com/cuda.runtime.major":               "12",
		"nvidia.com/cuda.runtime.minor":               "8",
		"nvidia.com/gpu.compute.major":                "8",
		"nvidia.com/gpu.compute.minor":                "0",
		"nvidia.com/gpu.count":                        strconv.Itoa(count),
		"nvidia.com/gpu.deploy.dcgm-exporter":         "true",
		"nvidia.com/gpu.deploy.device-plugin":         "true",
		"nvidia.com/gpu.family":                       "ampere",
		"nvidia.com/gpu.machine":                      "kind",
		"nvidia.com/gpu.memory":                       "81920",
		"nvidia.com/gpu.mode":                         "compute",
		"nvidia.com/gpu.present":                      "true",
		"nvidia.com/gpu.product":                      "NVIDIA-A100-SXM4-80GB",
		"nvidia.com/gpu.replicas":                     "1",
		"nvidia.com/gpu.sharing-strategy":             "none",
		"nvidia.com/mig.capable":                      "true",
		"nvidia.com/mps.capable":                      "false",
	}
}

// label puts them on the node.
func label(ctx context.Context, nodes typedcore.NodeInterface, node string, count int) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": discovered(count)}})
	if err != nil {
		return err
	}
	if _, err := nodes.Patch(ctx, node, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("label node %s: %w", node, err)
	}
	return nil
}
