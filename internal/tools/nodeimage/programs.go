package nodeimage

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/engine"
)

// compile builds the node's programs into dir. Kubernetes comes from the go.mod of the
// local cluster, with its flags: most of it is in the build cache once that was built.
// containerd has a module of its own, as it wants an older interface of the kubelet's.
func (in inputs) compile(ctx context.Context, dir string) error {
	const version = "k8s.io/component-base/version"
	parts := strings.SplitN(strings.TrimPrefix(in.kubernetes, "v"), ".", 3)
	if len(parts) != 3 {
		return fmt.Errorf("k8s.io/kubernetes has the version %q", in.kubernetes)
	}
	stamp := fmt.Sprintf("-s -w -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", version, in.kubernetes, parts[0], parts[1])
	const containerd = "github.com/containerd/containerd/v2"
	for _, build := range []struct {
		module, tags, ldflags string
		packages              []string
	}{
		{in.cluster, "kindnode", stamp, []string{"./kindnode/kube"}},
		{in.cluster, "kindnode", "-s -w", []string{"./kindnode/coredns", "./kindnode/pause"}},
		// Alone, because it spells logrus otherwise than the rest.
		{in.cluster, "", "-s -w", []string{"github.com/rancher/local-path-provisioner"}},
		{in.runtime, "no_aufs,no_zfs,no_btrfs,no_devmapper", "-s -w -X " + containerd + "/version.Version=" + strings.TrimPrefix(in.containerd, "v"), []string{
			containerd + "/cmd/containerd", containerd + "/cmd/ctr", containerd + "/cmd/containerd-shim-runc-v2",
		}},
	} {
		args := append([]string{"build", "-tags", build.tags, "-ldflags", build.ldflags, "-o", dir + "/"}, build.packages...)
		cmd := engine.Gently(exec.CommandContext(ctx, "go", args...))
		cmd.Dir, cmd.Env = build.module, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", strings.Join(build.packages, " "), err, out)
		}
	}
	return nil
}
