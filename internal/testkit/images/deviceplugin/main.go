// Command deviceplugin lends a node GPUs it does not have: to the kubelet it is
// NVIDIA's device plugin, to the cluster GPU Feature Discovery. Pods that ask
// for nvidia.com/gpu are then really scheduled, started and told their devices.
//
// A device becomes unhealthy when the file /run/mlk-gpu/unhealthy of its node
// names its number, and well again when it no longer does; "all" is all of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// The plugin's own places on a node.
const (
	socketName = "mlk-gpu.sock"
	sickFile   = "/run/mlk-gpu/unhealthy"
)

// period is how often the files are looked at: that of unhealthy devices, and
// the socket, which a kubelet removes when it starts anew.
const period = time.Second

func main() {
	node := flag.String("node", os.Getenv("NODE_NAME"), "name of the node, which its labels are put on")
	count := flag.Int("gpus", 8, "how many GPUs to lend")
	dir := flag.String("dir", deviceplugin.DevicePluginPath, "the kubelet's folder for device plugins")
	sick := flag.String("unhealthy", sickFile, "file that lists the numbers of unhealthy devices")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, *node, *count, *dir, *sick); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, node string, count int, dir, sick string) error {
	cfg, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := typedcore.NewForConfig(cfg)
	if err != nil {
		return err
	}
	if err := label(ctx, client.Nodes(), node, count); err != nil {
		return err
	}
	p := newPlugin(node, count, sick)
	go p.watchHealth(ctx)
	socket := filepath.Join(dir, socketName)
	for ctx.Err() == nil {
		if err := p.lend(ctx, socket, filepath.Join(dir, filepath.Base(deviceplugin.KubeletSocket))); err != nil {
			return fmt.Errorf("register %s: %w", resourceName, err)
		}
		log.Print("the kubelet has started anew")
	}
	return nil
}
