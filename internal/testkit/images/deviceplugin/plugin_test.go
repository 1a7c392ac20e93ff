package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	"sigs.k8s.io/yaml"
)

// kubelet is the half of a kubelet that plugins register with.
type kubelet struct {
	deviceplugin.UnimplementedRegistrationServer

	registered chan *deviceplugin.RegisterRequest
}

// Register notes who is there.
func (k *kubelet) Register(_ context.Context, r *deviceplugin.RegisterRequest) (*deviceplugin.Empty, error) {
	k.registered <- r
	return &deviceplugin.Empty{}, nil
}

func newKubelet(t *testing.T, dir string) *kubelet {
	t.Helper()
	k := &kubelet{registered: make(chan *deviceplugin.RegisterRequest, 1)}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	deviceplugin.RegisterRegistrationServer(s, k)
	go s.Serve(l) //nolint:errcheck // it ends with the test
	t.Cleanup(s.Stop)
	return k
}

func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came: " + what)
		panic("unreachable")
	}
}

// shortDir is a folder with a path short enough for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gpu") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestLends(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	sick, socket := filepath.Join(dir, "unhealthy"), filepath.Join(dir, socketName)
	k := newKubelet(t, dir)
	p := newPlugin("worker", 4, sick)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- p.lend(ctx, socket, filepath.Join(dir, "kubelet.sock")) }()
	if r := receive(t, "a registration", k.registered); r.ResourceName != "nvidia.com/gpu" || r.Endpoint != socketName || r.Version != "v1beta1" {
		t.Errorf("registered as %v", r)
	}

	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := deviceplugin.NewDevicePluginClient(conn)
	list, err := client.ListAndWatch(ctx, &deviceplugin.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	health := func() string {
		r, err := list.Recv()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for i, d := range r.Devices {
			if d.ID != deviceID("worker", i) {
				t.Errorf("device %d is %s", i, d.ID)
			}
			out = append(out, d.Health)
		}
		return strings.Join(out, " ")
	}
	for _, step := range []struct{ file, want string }{
		{"", "Healthy Healthy Healthy Healthy"},
		{"1 3\n", "Healthy Unhealthy Healthy Unhealthy"},
		{"all", "Unhealthy Unhealthy Unhealthy Unhealthy"},
		{"", "Healthy Healthy Healthy Healthy"},
	} {
		if err := os.WriteFile(sick, []byte(step.file), 0o600); err != nil {
			t.Fatal(err)
		}
		p.look()
		if got := health(); got != step.want {
			t.Errorf("%q: %s, want %s", step.file, got, step.want)
		}
	}

	a, b := deviceID("worker", 0), deviceID("worker", 2)
	got, err := client.Allocate(ctx, &deviceplugin.AllocateRequest{ContainerRequests: []*deviceplugin.ContainerAllocateRequest{{DevicesIds: []string{b, a}}}})
	if err != nil {
		t.Fatal(err)
	}
	want := min(a, b) + "," + max(a, b)
	if v := got.ContainerResponses[0].Envs["NVIDIA_VISIBLE_DEVICES"]; v != want {
		t.Errorf("the container sees %q, want %q", v, want)
	}
	if _, err := client.Allocate(ctx, &deviceplugin.AllocateRequest{ContainerRequests: []*deviceplugin.ContainerAllocateRequest{{DevicesIds: []string{"GPU-9"}}}}); err == nil {
		t.Error("a device that is not there was given away")
	}

	// A kubelet that starts clears the folder, and wants to be told again.
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, "the end", ended); err != nil {
		t.Error(err)
	}
	go func() { ended <- p.lend(ctx, socket, filepath.Join(dir, "kubelet.sock")) }()
	receive(t, "the second registration", k.registered)
	stop()
	_ = receive(t, "the end", ended) // with what, when it is stopped, does not matter
}

func TestLabels(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker", Labels: map[string]string{"zone": "a"}}})
	if err := label(t.Context(), client.CoreV1().Nodes(), "worker", 8); err != nil {
		t.Fatal(err)
	}
	n, err := client.CoreV1().Nodes().Get(t.Context(), "worker", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := discovered(8)
	want["zone"] = "a"
	if diff := cmp.Diff(want, n.Labels); diff != "" {
		t.Error(diff)
	}
	if err := label(t.Context(), client.CoreV1().Nodes(), "nowhere", 8); err == nil || !strings.Contains(err.Error(), "label node nowhere") {
		t.Errorf("a node that is not there: %v", err)
	}
}

// The manifest mounts what the program wants.
func TestManifest(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("daemonset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(raw), "---\n")
	var ds appsv1.DaemonSet
	if err := yaml.UnmarshalStrict([]byte(parts[len(parts)-1]), &ds); err != nil {
		t.Fatal(err)
	}
	mounted := map[string]bool{}
	for _, v := range ds.Spec.Template.Spec.Volumes {
		mounted[filepath.Clean(v.HostPath.Path)] = true
	}
	for _, need := range []string{filepath.Dir(sickFile), filepath.Clean(deviceplugin.DevicePluginPath)} {
		if !mounted[need] {
			t.Errorf("%s is not mounted", need)
		}
	}
}
