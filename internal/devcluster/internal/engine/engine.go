// Package engine runs controllers that ML teams install, such as JobSet and Kueue,
// as processes beside the control plane: their configuration, their certificates, and
// what they need in the cluster. It reaches them through 127.0.0.1 where a real cluster
// would use a Service.
package engine

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/component"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/config"
	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/pki"
)

// Variable is the environment variable that names the folder of the built engines.
const Variable = "DEVCLUSTER_ENGINES"

//go:embed *.yaml *.json
var configurations embed.FS

// Engine is one engine of a cluster.
type Engine struct {
	Name string
	// Dir holds its configuration and certificates; the cluster's own directory
	// holds it.
	Dir string
	// WebhookPort and HealthPort are free ports on 127.0.0.1.
	WebhookPort, HealthPort int
	// built is the folder with its program and manifests.
	built string
	// beside are all engines of the cluster.
	beside []string
}

// find returns the folder that holds a file of an engine: in what the environment
// names, or in the folder "engines" beside this binary.
func find(self, name, file string) (string, error) {
	home := os.Getenv(Variable)
	if home == "" {
		home = filepath.Join(filepath.Dir(self), "engines")
	}
	dir := filepath.Join(home, name)
	if _, err := os.Stat(filepath.Join(dir, file)); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no %s: build it with \"make engines\", or name the folder of the built engines in %s",
			filepath.Join(dir, file), Variable)
	} else if err != nil {
		return "", fmt.Errorf("look for engine %s: %w", name, err)
	}
	return dir, nil
}

// New prepares the engines of a cluster in its directory, with two ports for each.
func New(self, cluster string, names []string, ports []int) ([]Engine, error) {
	var all []Engine
	for _, name := range config.EngineNames {
		if !slices.Contains(names, name) {
			continue
		}
		built, err := find(self, name, name)
		if err != nil {
			return nil, fmt.Errorf("engine %s: %w", name, err)
		}
		all = append(all, Engine{
			Name: name, Dir: filepath.Join(cluster, "engines", name), built: built, beside: names,
			WebhookPort: ports[0], HealthPort: ports[1],
		})
		ports = ports[2:]
	}
	return all, nil
}

// Volcano is a scheduler: most of what it is told are flags.
const volcano = "volcano"

// kserve reads its configuration in the cluster; where it listens is said by flags and
// its environment.
const kserve = "kserve"

// Spec is how the engine is started. It acts as whom the kubeconfig names.
func (e Engine) Spec(kubeconfig string) component.Spec {
	args := []string{"--config=" + e.configuration()}
	switch e.Name {
	case karpenter:
		return component.Spec{
			Name: e.Name, Path: filepath.Join(e.built, e.Name), Env: []string{"KUBECONFIG=" + kubeconfig},
			Args: []string{
				"--instance-types-file-path=" + e.configuration(), "--disable-leader-election=true",
				"--metrics-port=" + strconv.Itoa(e.WebhookPort), "--health-probe-port=" + strconv.Itoa(e.HealthPort),
			},
		}
	case kserve:
		return component.Spec{
			Name: e.Name, Path: filepath.Join(e.built, e.Name), Env: []string{"WEBHOOK_CERT_DIR=" + e.Dir},
			Args: []string{
				"--kubeconfig=" + kubeconfig, "--metrics-addr=0", "--health-probe-addr=" + e.address(),
				"--webhook-port=" + strconv.Itoa(e.WebhookPort),
			},
		}
	case volcano:
		args = []string{
			"--scheduler-conf=" + e.configuration(), "--leader-elect=false", "--cache-dumper=false", "--schedule-period=200ms",
			"--enable-healthz=true", "--healthz-address=" + e.address(),
		}
	}
	return component.Spec{Name: e.Name, Path: filepath.Join(e.built, e.Name), Args: append(args, "--kubeconfig="+kubeconfig)}
}

func (e Engine) configuration() string {
	return filepath.Join(e.Dir, "config"+filepath.Ext(e.source()))
}

// source is the embedded file that the configuration is made of: for Karpenter, which
// is told the rest by flags, the machines that it can make.
func (e Engine) source() string {
	if e.Name == karpenter {
		return "karpenter.json"
	}
	return e.Name + ".yaml"
}

// karpenter makes simulated nodes, by its own provider for KWOK.
const karpenter = "karpenter"

func (e Engine) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.HealthPort)) }

// Health is the address that answers when the engine is ready.
func (e Engine) Health() string {
	at := "/readyz"
	if e.Name == volcano {
		at = "/healthz"
	}
	return "http://" + e.address() + at
}

// WriteFiles writes the engine's configuration and the certificates of its webhooks,
// signed by an authority of their own.
func (e Engine) WriteFiles() error {
	a, err := pki.NewAuthority(e.Dir)
	if err != nil {
		return err
	}
	// Controllers look for these names and no others: tls.crt, tls.key.
	if _, err := a.Issue(pki.Subject{File: "tls", Name: e.Name, Hosts: []string{"127.0.0.1"}}); err != nil {
		return err
	}
	t, err := template.ParseFS(configurations, e.source())
	if err != nil {
		return fmt.Errorf("read the configuration of engine %s: %w", e.Name, err)
	}
	f, err := os.OpenFile(e.configuration(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the configuration of engine %s: %w", e.Name, err)
	}
	if err := t.Execute(f, struct {
		Engine
		Frameworks string
	}{e, e.frameworks()}); err != nil {
		_ = f.Close()
		return fmt.Errorf("write the configuration of engine %s: %w", e.Name, err)
	}
	return f.Close()
}

// frameworks are the kinds that Kueue queues: it waits for the CRD of each it is told.
func (e Engine) frameworks() string {
	kinds := []string{"batch/job"}
	if slices.Contains(e.beside, "jobset") {
		kinds = append(kinds, "jobset.x-k8s.io/jobset")
	}
	if slices.Contains(e.beside, "kubeflow") {
		kinds = append(kinds, "trainer.kubeflow.org/trainjob")
	}
	return strings.Join(kinds, ", ")
}
