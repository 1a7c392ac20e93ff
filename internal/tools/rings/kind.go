package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/engine"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/kindcluster"
	"github.com/mlkube/terraform-provider-mlk/internal/tools/nodeimage"
)

const (
	// kindTests are the tests that need real nodes.
	kindTests = "./internal/acceptance/kind"
	// imageBuilds is what a node image takes besides compiling: Debian's packages, and
	// kind's own part.
	imageBuilds = 5 * time.Minute
	// kindParallel is as on the local cluster: pods are small, and most tests wait for
	// what a kubelet does by the clock.
	kindParallel = "8"
)

// alsoOnKind are tests of other packages that a real cluster can tell something new
// about, by package.
var alsoOnKind = map[string]string{
	"./internal/resources/storageclass": "^TestAcc",
	"./internal/acceptance":             "^TestAccQuickstart$",
}

// imagePackages are compiled into a node image, by folder of their module.
var imagePackages = map[string][]string{
	"internal/devcluster":       {"-tags=kindnode", "./kindnode/..."},
	"internal/tools/containerd": {"-tags=no_aufs,no_zfs,no_btrfs,no_devmapper", "tool"},
}

// openKind finds the engine and returns the kind cluster on it.
func openKind(ctx context.Context, root string) (kindcluster.Cluster, error) {
	home, err := nodeimage.Home()
	if err != nil {
		return kindcluster.Cluster{}, err
	}
	e, err := engine.Find(ctx, home)
	if err != nil {
		return kindcluster.Cluster{}, err
	}
	return kindcluster.New(root, home, e, os.Stdout), nil
}

// kindNeeds says whether the ring can run at all, whether it must, and what it takes
// beyond its tests. With an image at hand it always runs.
func kindNeeds(ctx context.Context, root string) (need time.Duration, always bool, err error) {
	c, err := openKind(ctx, root)
	if err != nil {
		return 0, false, err
	}
	if c.HasImage(ctx) {
		return 0, true, nil
	}
	need = imageBuilds
	for dir, packages := range imagePackages {
		need += stale(ctx, filepath.Join(root, dir), packages)
	}
	return need, false, nil
}

// onKind runs what needs real nodes, and what is worth running on them too.
func onKind(ctx context.Context, s site) (total result) {
	if got := prepare("install", func() error { return makeTarget(ctx, s, "install") }); got.failed > 0 {
		return got
	}
	terraform, err := cli.Find(ctx, s.root)
	if err != nil {
		return step("terraform", func() error { return err })
	}
	c, err := openKind(ctx, s.root)
	if err != nil {
		return step("container engine", func() error { return err })
	}
	unlock, err := c.Lock(ctx)
	if err != nil {
		return step("kind cluster", func() error { return err })
	}
	defer unlock()
	var image string
	if got := prepare("node image", func() (err error) {
		image, err = c.Image(ctx)
		return err
	}); got.failed > 0 {
		return got
	}
	// Taken down also when it did not come up: what is left of it would be in the way.
	if !s.keep {
		defer func() {
			done, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
			defer cancel()
			total.add(prepare("kind cluster down", func() error { return c.Down(done) }))
		}()
	}
	if got := prepare("kind cluster up", func() error { return c.Up(ctx, image) }); got.failed > 0 {
		return got
	}
	env := append(terraform.AcceptanceEnv(), c.Environ()...)
	args := append([]string{"-count=1", "-parallel", kindParallel}, s.testArgs...)
	total.add(goTest(ctx, s.root, env, append(append([]string{"-run", "^TestAcc"}, args...), kindTests)...))
	if len(s.testArgs) == 0 {
		for _, pkg := range slices.Sorted(maps.Keys(alsoOnKind)) {
			total.add(goTest(ctx, s.root, env, append(append([]string{"-run", alsoOnKind[pkg]}, args...), pkg)...))
		}
	}
	fmt.Printf("%d tests ran on kind\n", total.passed+total.failed)
	if s.keep {
		fmt.Println(`The kind cluster is kept. To look at it: eval "$(go run -C internal/tools ./kind env)"`)
	}
	return total
}
