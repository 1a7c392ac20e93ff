package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// resourceName is what pods ask for.
const resourceName = "nvidia.com/gpu"

// plugin is the kubelet's view of the GPUs of a node.
type plugin struct {
	deviceplugin.UnimplementedDevicePluginServer

	ids  []string
	sick string

	mu sync.Mutex
	// healthy has a place for each of ids.
	healthy []bool
	// changed is closed, and made anew, when healthy changes.
	changed chan struct{}
}

func newPlugin(node string, count int, sick string) *plugin {
	p := &plugin{sick: sick, changed: make(chan struct{})}
	for i := range count {
		p.ids = append(p.ids, deviceID(node, i))
		p.healthy = append(p.healthy, true)
	}
	return p
}

// deviceID is a UUID as NVIDIA's, the same after each start.
func deviceID(node string, i int) string {
	h := sha256.Sum256([]byte(node + "/" + strconv.Itoa(i)))
	return fmt.Sprintf("GPU-%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// watchHealth follows the file of unhealthy devices until ctx ends.
func (p *plugin) watchHealth(ctx context.Context) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		p.look()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look reads the file once. What cannot be read says nothing about any device.
func (p *plugin) look() {
	raw, err := os.ReadFile(p.sick)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Print(err)
		return
	}
	named := strings.Fields(string(raw))
	p.mu.Lock()
	defer p.mu.Unlock()
	before := slices.Clone(p.healthy)
	for i := range p.healthy {
		p.healthy[i] = !slices.Contains(named, strconv.Itoa(i)) && !slices.Contains(named, "all")
	}
	if !slices.Equal(before, p.healthy) {
		log.Printf("unhealthy devices: %q", named)
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

// devices are all devices as they are now, and what tells of the next change.
func (p *plugin) devices() ([]*deviceplugin.Device, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*deviceplugin.Device
	for i, id := range p.ids {
		health := deviceplugin.Healthy
		if !p.healthy[i] {
			health = deviceplugin.Unhealthy
		}
		out = append(out, &deviceplugin.Device{ID: id, Health: health})
	}
	return out, p.changed
}

// GetDevicePluginOptions asks for nothing special.
func (p *plugin) GetDevicePluginOptions(context.Context, *deviceplugin.Empty) (*deviceplugin.DevicePluginOptions, error) {
	return &deviceplugin.DevicePluginOptions{}, nil
}

// ListAndWatch tells the kubelet of the devices, and of each change.
func (p *plugin) ListAndWatch(_ *deviceplugin.Empty, to grpc.ServerStreamingServer[deviceplugin.ListAndWatchResponse]) error {
	for {
		devices, changed := p.devices()
		if err := to.Send(&deviceplugin.ListAndWatchResponse{Devices: devices}); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-to.Context().Done():
			return nil
		}
	}
}

// Allocate tells each container its devices, as NVIDIA's plugin does.
func (p *plugin) Allocate(_ context.Context, r *deviceplugin.AllocateRequest) (*deviceplugin.AllocateResponse, error) {
	out := &deviceplugin.AllocateResponse{}
	for _, c := range r.ContainerRequests {
		ids := slices.Clone(c.DevicesIds)
		for _, id := range ids {
			if !slices.Contains(p.ids, id) {
				return nil, fmt.Errorf("no device %q", id)
			}
		}
		slices.Sort(ids)
		out.ContainerResponses = append(out.ContainerResponses, &deviceplugin.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(ids, ",")},
		})
	}
	return out, nil
}

// lend serves the devices on a socket and tells the kubelet of it. It returns
// when the kubelet has removed the socket, which it does when it starts.
func (p *plugin) lend(ctx context.Context, socket, kubelet string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	deviceplugin.RegisterDevicePluginServer(s, p)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	defer s.Stop()
	if err := register(ctx, filepath.Base(socket), kubelet); err != nil {
		return err
	}
	log.Printf("%d devices are lent as %s", len(p.ids), resourceName)
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
}

// register waits for the kubelet and tells it where the plugin is.
func register(ctx context.Context, endpoint, kubelet string) error {
	conn, err := grpc.NewClient("unix://"+kubelet, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = deviceplugin.NewRegistrationClient(conn).Register(ctx, &deviceplugin.RegisterRequest{
		Version: deviceplugin.Version, Endpoint: endpoint, ResourceName: resourceName,
		Options: &deviceplugin.DevicePluginOptions{},
	}, grpc.WaitForReady(true))
	return err
}
