//go:build kindnode

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/vishvananda/netlink"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	conflist = "/etc/cni/net.d/10-kindnet.conflist"
	// again is how often the routes are compared with the nodes there are: a new
	// node's pods are reachable this much later.
	again = 2 * time.Second
	// mtu is what passes through every bridge a node container is on.
	mtu = 1500
)

// network stands in for kindnetd, whose module cannot be fetched by itself: pods get
// addresses of their node's range, and each node routes the others' ranges to them.
// There are no network policies and no masquerading: what pods reach is this cluster.
func network(ctx context.Context) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	self, written := os.Getenv("HOST_IP"), ""
	for ; ; time.Sleep(again) {
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			// The API server restarts in some tests; the routes there are stay.
			fmt.Fprintln(os.Stderr, "list nodes:", err)
			continue
		}
		for _, node := range nodes.Items {
			if node.Spec.PodCIDR == "" {
				continue
			}
			if address := internalIP(node); address != self {
				err = route(node.Spec.PodCIDR, address)
			} else if written != node.Spec.PodCIDR {
				err = writeConfig(node.Spec.PodCIDR)
				written = node.Spec.PodCIDR
			}
			if err != nil {
				return fmt.Errorf("node %s: %w", node.Name, err)
			}
		}
	}
}

func internalIP(node corev1.Node) string {
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return address.Address
		}
	}
	return ""
}

// route sends what is for another node's pods to that node.
func route(podCIDR, node string) error {
	_, destination, err := net.ParseCIDR(podCIDR)
	if err != nil {
		return err
	}
	gateway := net.ParseIP(node)
	if gateway == nil {
		return nil // the node has not said its address yet
	}
	if err := netlink.RouteReplace(&netlink.Route{Dst: destination, Gw: gateway}); err != nil {
		return fmt.Errorf("route %s over %s: %w", podCIDR, node, err)
	}
	return nil
}

// writeConfig makes the node ready: the kubelet waits for a network configuration. The
// file is renamed into place, because containerd reads it as soon as it is there.
func writeConfig(podCIDR string) error {
	type object map[string]any
	content, err := json.MarshalIndent(object{
		"cniVersion": "0.3.1",
		"name":       "kindnet",
		"plugins": []object{
			{
				"type": "ptp", "ipMasq": false, "mtu": mtu,
				"ipam": object{
					"type": "host-local", "dataDir": "/run/cni-ipam-state",
					"routes": []object{{"dst": "0.0.0.0/0"}},
					"ranges": [][]object{{{"subnet": podCIDR}}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	temporary := filepath.Join(filepath.Dir(conflist), ".kindnet")
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, conflist)
}
