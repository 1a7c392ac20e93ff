// Command engines builds the controllers that the local cluster can run beside
// itself, and writes what they need in the cluster, into bin/engines/<name>:
// the program, crds.yaml, webhooks.yaml, and objects.yaml where installers bring
// more.
//
// Each engine is pinned in a module of its own, internal/devcluster/engines/<name>,
// because their versions of Kubernetes' modules differ. Their manifests come out
// of the same modules in Go's cache.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/mlkube/terraform-provider-mlk/internal/tools/cli"
)

// recipe says how an engine is built and where its manifests lie in its module.
type recipe struct {
	// module holds the manifests, pkg is the program.
	module, pkg string
	tags        string
	// crds, webhooks and objects are patterns of files and folders to render, with a
	// space between them. objects are what installers bring besides; "" is nothing.
	crds, webhooks, objects string
	// edits are made on a copy of the program's main.go: what the program fixes
	// and a process beside others cannot have.
	edits []edit
	// inside are edits of the module's own files, by their path in it: the program is
	// built from a copy of the module.
	inside map[string][]edit
}

type edit struct{ from, to string }

func recipes() map[string]recipe {
	return map[string]recipe{
		"jobset": {
			module:   "sigs.k8s.io/jobset",
			pkg:      "sigs.k8s.io/jobset",
			crds:     "config/components/crd/bases/*.yaml",
			webhooks: "config/components/webhook",
		},
		"karpenter": {
			module: "sigs.k8s.io/karpenter",
			pkg:    "sigs.k8s.io/karpenter/kwok",
			crds:   "pkg/apis/crds/*.yaml kwok/apis/crds/*.yaml",
			// It says only which port it listens on, and takes all addresses of the machine.
			inside: map[string][]edit{"pkg/operator/operator.go": {
				{`BindAddress: fmt.Sprintf(":%d", options.FromContext(ctx).MetricsPort)`, `BindAddress: fmt.Sprintf("127.0.0.1:%d", options.FromContext(ctx).MetricsPort)`},
				{`HealthProbeBindAddress: fmt.Sprintf(":%d", options`, `HealthProbeBindAddress: fmt.Sprintf("127.0.0.1:%d", options`},
			}},
		},
		"kubeflow": {
			module:   "github.com/kubeflow/trainer/v2",
			pkg:      "github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager",
			crds:     "manifests/base/crds/trainer.*.yaml",
			webhooks: "manifests/base/webhook",
			objects:  "manifests/base/runtimes/*_distributed.yaml",
			// Its configuration does not say where the certificates are, and the folder it
			// looks into is one for all clusters of a machine.
			edits: []edit{
				{"\t\"os\"\n", "\t\"os\"\n\t\"path/filepath\"\n"},
				{"\t\"sigs.k8s.io/controller-runtime/pkg/log/zap\"\n", "\t\"sigs.k8s.io/controller-runtime/pkg/log/zap\"\n\t\"sigs.k8s.io/controller-runtime/pkg/webhook\"\n"},
				{"mgr, err := ctrl.NewManager(", "options.WebhookServer.(*webhook.DefaultServer).Options.CertDir = filepath.Dir(configFile)\n\tmgr, err := ctrl.NewManager("},
			},
		},
		// Of Volcano the scheduler alone, which is what starts gangs. No later version can
		// be built outside its own tree: it wants an unpublished state of volcano.sh/apis.
		"volcano": {
			module: "volcano.sh/volcano",
			pkg:    "volcano.sh/volcano/cmd/scheduler",
			crds:   "config/crd/volcano/bases/*.yaml",
		},
		"kserve": {
			module:   "github.com/kserve/kserve",
			pkg:      "github.com/kserve/kserve/cmd/manager",
			crds:     "config/crd/full/serving.kserve.io_*.yaml config/crd/full/clusterstoragecontainer",
			webhooks: "config/webhook",
			// The servers of models that it ships, and what fetches models.
			objects: "config/runtimes config/storagecontainers",
			// Its webhooks take all addresses of the machine, and their certificates are in
			// one folder for all clusters.
			edits: []edit{{"Port: options.webhookPort,", `Port: options.webhookPort, Host: "127.0.0.1", CertDir: os.Getenv("WEBHOOK_CERT_DIR"),`}},
		},
		"kueue": {
			module: "sigs.k8s.io/kueue",
			pkg:    "sigs.k8s.io/kueue/cmd/kueue",
			// Without it all of Kubernetes' scheduler is compiled, for a feature that is off.
			tags:     "exclude_scheduler_library",
			crds:     "config/components/crd/bases/*.yaml",
			webhooks: "config/components/webhook",
			// The certificates of a metrics endpoint that is off are read all the same,
			// from a folder that only root can make.
			edits: []edit{{`metricsCertPath := "/etc/kueue/metrics/certs"`, `metricsCertPath := cfg.Webhook.CertDir`}},
		},
		"lws": {
			module:   "sigs.k8s.io/lws",
			pkg:      "sigs.k8s.io/lws/cmd",
			crds:     "config/crd/bases/*.yaml",
			webhooks: "config/webhook",
		},
	}
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	root, err := cli.Root()
	if err != nil {
		return err
	}
	for _, name := range names {
		r, ok := recipes()[name]
		if !ok {
			return fmt.Errorf("there is no engine %q, only %s", name, strings.Join(slices.Sorted(maps.Keys(recipes())), ", "))
		}
		if err := r.make(ctx, filepath.Join(root, "internal", "devcluster", "engines", name), filepath.Join(root, "bin", "engines", name)); err != nil {
			return fmt.Errorf("engine %s: %w", name, err)
		}
	}
	return nil
}

// make builds the program in the engine's module and writes everything to out.
func (r recipe) make(ctx context.Context, module, out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", r.module)
	list.Dir, list.Stderr = module, os.Stderr
	found, err := list.Output()
	if err != nil {
		return fmt.Errorf("find %s: %w", r.module, err)
	}
	source := strings.TrimSpace(string(found))
	if source == "" { // known and not there yet
		if err := cli.Go(ctx, module, "mod", "download", r.module); err != nil {
			return err
		}
		return r.make(ctx, module, out)
	}
	if err := r.build(ctx, module, source, filepath.Join(out, filepath.Base(out))); err != nil {
		return err
	}
	// Last the file that make looks at.
	for _, file := range []struct{ name, from string }{{"objects.yaml", r.objects}, {"webhooks.yaml", r.webhooks}, {"crds.yaml", r.crds}} {
		if file.from == "" {
			continue
		}
		text, err := together(source, file.from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, file.name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (r recipe) build(ctx context.Context, module, source, program string) error {
	pkg, args := r.pkg, []string{"build", "-tags", r.tags, "-ldflags", "-s -w", "-o", program}
	if len(r.inside) > 0 {
		// At one place, so that Go's cache knows it again.
		work := program + "-source"
		defer os.RemoveAll(work)
		file, err := r.copied(module, source, work)
		if err != nil {
			return err
		}
		args = append(args, "-modfile", file)
	}
	if len(r.edits) > 0 {
		// In the module's own folder, because it must import what only that module has.
		dir, err := os.MkdirTemp(module, "edited-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		main := filepath.Join(source, strings.TrimPrefix(strings.TrimPrefix(r.pkg, r.module), "/"), "main.go")
		if err := r.edit(main, filepath.Join(dir, "main.go")); err != nil {
			return err
		}
		pkg = "./" + filepath.Base(dir)
	}
	return cli.Go(ctx, module, append(args, pkg)...)
}

// copied copies an engine's module to work with the edits made, and returns a go.mod
// that takes it from there.
func (r recipe) copied(module, source, work string) (string, error) {
	copied := filepath.Join(work, "module")
	if err := errors.Join(os.RemoveAll(work), os.CopyFS(copied, os.DirFS(source))); err != nil {
		return "", err
	}
	for file, edits := range r.inside {
		to := filepath.Join(copied, file)
		if err := os.Remove(to); err != nil {
			return "", err
		}
		if err := (recipe{edits: edits}).edit(filepath.Join(source, file), to); err != nil {
			return "", err
		}
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(module, file))
		if err != nil {
			return "", err
		}
		if file == "go.mod" {
			text = fmt.Appendf(text, "\nreplace %s => %s\n", r.module, copied)
		}
		if err := os.WriteFile(filepath.Join(work, file), text, 0o600); err != nil {
			return "", err
		}
	}
	return filepath.Join(work, "go.mod"), nil
}

// edit copies a file with the edits made; each must be found exactly once.
func (r recipe) edit(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	for _, e := range r.edits {
		if n := bytes.Count(text, []byte(e.from)); n != 1 {
			return fmt.Errorf("%s has %d times %q, not once", from, n, e.from)
		}
		text = bytes.Replace(text, []byte(e.from), []byte(e.to), 1)
	}
	return os.WriteFile(to, text, 0o600)
}

// together puts the files of dir that match, and what folders render to, into one stream.
func together(dir, patterns string) ([]byte, error) {
	var out bytes.Buffer
	for pattern := range strings.FieldsSeq(patterns) {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, errors.New("nothing matches " + filepath.Join(dir, pattern))
		}
		for _, path := range found {
			text, err := manifests(path)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&out, "---\n%s\n", bytes.TrimPrefix(bytes.TrimSpace(text), []byte("---\n")))
		}
	}
	return out.Bytes(), nil
}

// manifests reads a file, or renders a folder.
func manifests(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return kustomize(path)
	}
	return os.ReadFile(path)
}

func kustomize(dir string) ([]byte, error) {
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", dir, err)
	}
	return made.AsYaml()
}
