package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
)

const (
	// devicePlugin is a module of its own, as gRPC of the kubelet's version is not
	// the provider's business.
	devicePlugin = "internal/testkit/images/deviceplugin"

	linter = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"

	// perPackage is what compiling one package takes on two cores, with a
	// margin: Kubernetes' 2,000 take six minutes on an idle machine.
	perPackage = 300 * time.Millisecond
	// testTimeout bounds one go test, which go would otherwise end after ten
	// minutes; less where the rings have less left.
	testTimeout = 40 * time.Minute
	// stopTimeout is kept back from the rings' time to stop and to report.
	stopTimeout = 30 * time.Second
	// cleanupTimeout is what taking a cluster down may take after an interrupt.
	cleanupTimeout = 2 * time.Minute
)

// ring is a set of checks that needs the same things.
type ring struct {
	name string
	// takes is its duration once everything is compiled.
	takes time.Duration
	// builds are the packages it compiles, by folder of their module.
	builds map[string][]string
	// needsCLI tells that OpenTofu may have to be built first.
	needsCLI bool
	// extra says what else the ring needs here and now, nil for nothing.
	extra func(ctx context.Context, root string) (need time.Duration, always bool, err error)
	run   func(context.Context, site) result
}

func rings() []ring {
	provider := map[string][]string{".": {"./..."}}
	return []ring{
		{
			name: "check", takes: 6 * time.Minute, needsCLI: true, run: check,
			builds: map[string][]string{".": {"./..."}, "internal/tools": {"tool"}, "internal/devcluster": {"./..."}},
		},
		{name: "lint", takes: 5 * time.Minute, run: lint},
		{name: "format", takes: time.Minute, needsCLI: true, run: format},
		{name: "unit", takes: 2 * time.Minute, builds: provider, run: unit},
		{
			name: "acceptance", takes: 15 * time.Minute, needsCLI: true, run: acceptance,
			builds: map[string][]string{".": {"./..."}, "internal/devcluster": {"./...", "sigs.k8s.io/kwok/cmd/kwok"}},
		},
		{name: "kind", takes: 8 * time.Minute, needsCLI: true, builds: provider, extra: kindNeeds, run: onKind},
		{
			name: "engines", takes: 6 * time.Minute, needsCLI: true, run: engines,
			builds: map[string][]string{
				".": {"./..."}, "internal/devcluster": {"./...", "sigs.k8s.io/kwok/cmd/kwok"},
				"internal/devcluster/engines/jobset":    {"tool"},
				"internal/devcluster/engines/karpenter": {"tool"},
				"internal/devcluster/engines/kserve":    {"tool"},
				"internal/devcluster/engines/kubeflow":  {"tool"},
				"internal/devcluster/engines/kueue":     {"-tags=exclude_scheduler_library", "tool"},
				"internal/devcluster/engines/lws":       {"tool"},
				"internal/devcluster/engines/volcano":   {"tool"},
			},
		},
	}
}

func find(name string) (ring, bool) {
	for _, r := range rings() {
		if r.name == name {
			return r, true
		}
	}
	return ring{}, false
}

func known() []string {
	var names []string
	for _, r := range rings() {
		names = append(names, r.name)
	}
	return names
}

// estimate is how long the ring takes on this machine now, counting what the
// build cache does not hold yet.
func (r ring) estimate(ctx context.Context, root string) time.Duration {
	need := r.takes
	for dir, packages := range r.builds {
		need += stale(ctx, filepath.Join(root, dir), packages)
	}
	if r.needsCLI && !cli.Installed(root) {
		need += stale(ctx, filepath.Join(root, "internal", "tools", "opentofu"), []string{"tool"})
	}
	return need
}

// misfit says why the ring cannot run in the time there is, "" if it can. A ring that
// always runs may take longer than that.
func (r ring) misfit(ctx context.Context, root string, have time.Duration) (reason string, always bool) {
	var extra time.Duration
	if r.extra != nil {
		var err error
		extra, always, err = r.extra(ctx, root)
		if err != nil {
			return strings.ReplaceAll(err.Error(), "\n", "; "), false
		}
		if always {
			return "", true
		}
	}
	if need := r.estimate(ctx, root) + extra; need > have {
		return fmt.Sprintf("it needs about %s and %s of the time is left", need.Round(time.Minute), have.Round(time.Minute)), false
	}
	return "", false
}

// stale is the time to compile those of the packages and their dependencies
// that are not cached. A listing that fails costs nothing: the ring will say why.
func stale(ctx context.Context, dir string, packages []string) time.Duration {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"}, packages...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return 0
	}
	return time.Duration(len(strings.Fields(string(out)))) * perPackage
}

// step counts one thing that is not a Go test.
func step(name string, do func() error) result {
	begun := time.Now()
	if err := do(); err != nil {
		fmt.Printf("FAIL  %s\n%v\n", name, err)
		return result{failed: 1}
	}
	fmt.Printf("ok    %s (%s)\n", name, time.Since(begun).Round(time.Second))
	return result{passed: 1}
}

// prepare is a step that checks nothing: it counts only when it fails.
func prepare(name string, do func() error) result {
	got := step(name, do)
	got.passed = 0
	return got
}

func makeTarget(ctx context.Context, s site, target string) error {
	return cli.Run(ctx, s.root, "make", "--no-print-directory", target)
}

// check is what needs no cluster and no test: form, docs, examples.
func check(ctx context.Context, s site) result {
	var total result
	total.add(prepare("install", func() error { return makeTarget(ctx, s, "install") }))
	total.add(step("format of Go", func() error { return golangci(ctx, s, []string{"."}, "fmt", "--diff") }))
	total.add(step("format of HCL", func() error { return terraformFmt(ctx, s, "-check", "-diff") }))
	total.add(step("docs", func() error {
		return cli.Go(ctx, filepath.Join(s.root, "internal", "tools"), "run", "./docs", "-check")
	}))
	total.add(examples(ctx, s))
	total.add(lint(ctx, s))
	return total
}

func lint(ctx context.Context, s site) result {
	// Formatting goes through folders; linting stops at the next go.mod.
	return step("lint", func() error {
		return golangci(ctx, s, []string{".", "internal/tools", "internal/devcluster", devicePlugin}, "run", "--allow-serial-runners")
	})
}

func format(ctx context.Context, s site) result {
	total := step("format of Go", func() error { return golangci(ctx, s, []string{"."}, "fmt") })
	total.add(step("format of HCL", func() error { return terraformFmt(ctx, s) }))
	return total
}

// golangci runs the linter in modules of the repository.
func golangci(ctx context.Context, s site, modules []string, args ...string) error {
	tool, err := cli.Tool(ctx, s.root, linter)
	if err != nil {
		return err
	}
	var failed []error
	for _, module := range modules {
		if err := cli.Run(ctx, filepath.Join(s.root, module), tool, args...); err != nil {
			failed = append(failed, fmt.Errorf("in %s: %w", module, err))
		}
	}
	return errors.Join(failed...)
}

func terraformFmt(ctx context.Context, s site, args ...string) error {
	c, err := cli.Find(ctx, s.root)
	if err != nil {
		return err
	}
	cmd := c.Command(ctx, s.root, append(append([]string{"fmt", "-recursive"}, args...), "examples")...)
	cmd.Stdout = os.Stdout
	return cmd.Run()
}

// examples validates every folder of examples/ that holds configuration.
func examples(ctx context.Context, s site) result {
	c, err := cli.Find(ctx, s.root)
	if err != nil {
		return step("examples", func() error { return err })
	}
	dirs, err := configurations(filepath.Join(s.root, "examples"))
	if err != nil {
		return step("examples", func() error { return err })
	}
	var total result
	for _, dir := range dirs {
		name, _ := filepath.Rel(s.root, dir)
		total.add(step(name, func() error { return validate(ctx, c, dir) }))
	}
	return total
}

func unit(ctx context.Context, s site) result {
	var total result
	for _, module := range []string{".", "internal/tools", devicePlugin} {
		total.add(goTest(ctx, filepath.Join(s.root, module), os.Environ(), "-skip", "^TestAcc", "./..."))
	}
	return total
}

// acceptanceParallel is how many acceptance tests of a package run at a time:
// more than there are processors, because they mostly wait for the cluster.
const acceptanceParallel = "8"

// needEngines are the tests that want JobSet, Kubeflow Trainer, Kueue, LeaderWorkerSet and
// KServe on the cluster.
const needEngines = "^TestAccEngine"

// needKarpenter are the tests that want Karpenter: on a cluster of their own, since where
// it is nobody can say any more that there will be no node for a pod.
const needKarpenter = "^TestAccKarpenter"

// needNodes are the tests that want real nodes: those of kindTests.
const needNodes = "^TestAccKind"

// acceptance runs what talks to an API server: the local cluster's own tests,
// then the provider's.
func acceptance(ctx context.Context, s site) (total result) {
	env, failed := ready(ctx, s, "build")
	if failed.failed > 0 {
		return failed
	}
	if s.cluster == "devcluster" && len(s.testArgs) == 0 {
		total.add(goTest(ctx, filepath.Join(s.root, "internal", "devcluster"), append(env, "DEVCLUSTER_IT=1"), "-skip", needEngines, "./..."))
	}
	total.add(onCluster(ctx, s, env, nil, "-run", "^TestAcc", "-skip", needEngines+"|"+needKarpenter+"|"+needNodes))
	return total
}

// engines runs the tests that acceptance leaves out, on a cluster with engines.
func engines(ctx context.Context, s site) (total result) {
	env, failed := ready(ctx, s, "build", "engines")
	if failed.failed > 0 {
		return failed
	}
	env = append(env, "DEVCLUSTER_ENGINES="+filepath.Join(s.root, "bin", "engines"))
	if s.cluster == "devcluster" && len(s.testArgs) == 0 {
		total.add(goTest(ctx, filepath.Join(s.root, "internal", "devcluster"), append(env, "DEVCLUSTER_IT=1"), "-run", needEngines, "./..."))
	}
	named := strings.Join(s.testArgs, " ")
	if !strings.Contains(named, "TestAccKarpenter") {
		total.add(onCluster(ctx, s, env, []string{"--config", filepath.Join(s.root, "internal", "devcluster", "engines", "cluster.yaml")}, "-run", needEngines))
	}
	if !strings.Contains(named, "TestAccEngine") {
		total.add(onCluster(ctx, s, env, []string{"--engine", "karpenter"}, "-run", needKarpenter))
	}
	return total
}

// ready builds what acceptance tests run with, and returns their environment. The
// targets are for the local cluster.
func ready(ctx context.Context, s site, targets ...string) ([]string, result) {
	if s.cluster != "devcluster" {
		targets = nil
	}
	for _, target := range append(targets, "install") {
		if got := prepare(target, func() error { return makeTarget(ctx, s, target) }); got.failed > 0 {
			return nil, got
		}
	}
	c, err := cli.Find(ctx, s.root)
	if err != nil {
		return nil, step("terraform", func() error { return err })
	}
	return append(c.AcceptanceEnv(), "MLK_DEVCLUSTER="+filepath.Join(s.root, "bin", "devcluster")), result{}
}

// onCluster runs tests of the provider on the cluster that was asked for. up are
// arguments for starting a local one.
func onCluster(ctx context.Context, s site, env, up []string, args ...string) (total result) {
	args = append(append(append(args, "-parallel", acceptanceParallel), s.testArgs...), "./...")
	switch s.cluster {
	case "devcluster":
		name := "testacc-" + strconv.Itoa(os.Getpid())
		if got := prepare("devcluster up", func() error { return devcluster(ctx, s, append([]string{"up", "--name", name}, up...)...) }); got.failed > 0 {
			total.add(got)
			return total
		}
		defer func() {
			done, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
			defer cancel()
			total.add(prepare("devcluster down", func() error { return devcluster(done, s, "down", "--name", name) }))
		}()
		out, err := exec.CommandContext(ctx, filepath.Join(s.root, "bin", "devcluster"), "kubeconfig", "--name", name).Output()
		if err != nil {
			total.add(step("devcluster kubeconfig", func() error { return err }))
			return total
		}
		env = append(env, "KUBECONFIG="+strings.TrimSpace(string(out)))
	case "existing":
		if os.Getenv("KUBECONFIG") == "" {
			return step("cluster", func() error { return fmt.Errorf("CLUSTER=existing needs KUBECONFIG") })
		}
	default:
		return step("cluster", func() error {
			return fmt.Errorf("CLUSTER is %q; it may be devcluster or existing", s.cluster)
		})
	}
	total.add(goTest(ctx, s.root, env, args...))
	return total
}

func devcluster(ctx context.Context, s site, args ...string) error {
	return cli.Run(ctx, s.root, filepath.Join(s.root, "bin", "devcluster"), args...)
}
