// Package component knows the programs of a control plane: which there are, with which
// arguments each is started, and how this binary becomes one of them.
package component

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mlkube/terraform-provider-mlk/internal/devcluster/internal/pki"
)

// The components' names, as people and log files call them.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kwok              = "kwok"
)

// Command is the hidden subcommand under which this binary becomes a component.
const Command = "component"

// NodeAnnotation marks the nodes KWOK plays, on a node's annotations with value "fake".
const NodeAnnotation = "kwok.x-k8s.io/node"

const (
	// serviceRange holds cluster IPs; its first address is the API server's own service.
	serviceRange = "10.96.0.0/16"
	serviceIP    = "10.96.0.1"

	// leaseSeconds makes KWOK renew a node's lease every 30 s, under the controller
	// manager's grace of 50 s. At the usual 40 s a thousand idle nodes cost half a core.
	leaseSeconds = 120

	// clientQPS takes the brake off the controllers: with their default of 20 to 50
	// requests a second a thousand nodes need two minutes to become ready.
	clientQPS   = 2000
	clientBurst = 4000
)

// KwokUser is who KWOK is to the API server.
const KwokUser = "devcluster:kwok"

// KwokVariable is the environment variable that names the kwok binary.
const KwokVariable = "DEVCLUSTER_KWOK"

// Plan is all that the arguments of the components depend on.
type Plan struct {
	// Dir holds etcd's data and the files the components read.
	Dir string
	// EtcdPort, PeerPort and APIPort are free ports on 127.0.0.1.
	EtcdPort, PeerPort, APIPort int
	// FeatureGates go to the API server, the controller manager and the scheduler.
	FeatureGates map[string]bool
	// RuntimeConfig switches API groups and versions.
	RuntimeConfig map[string]bool
	// Controllers are further programs that need a kubeconfig, by name.
	Controllers []string
}

// Spec is one program to start.
type Spec struct {
	Name string
	Path string
	Args []string
	// Env are variables besides those of the supervisor.
	Env []string
}

// Server is the URL of the API server.
func (p Plan) Server() string { return "https://" + loopback(p.APIPort) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func (p Plan) file(elem ...string) string { return filepath.Join(append([]string{p.Dir}, elem...)...) }

func (p Plan) key(name string) pki.Pair {
	return pki.Pair{Cert: p.file("pki", name+".crt"), Key: p.file("pki", name+".key")}
}

// Kubeconfig is the kubeconfig of one of the Controllers.
func (p Plan) Kubeconfig(controller string) string { return p.kubeconfig(controller) }

func (p Plan) kubeconfig(user string) string { return p.file("pki", user+".kubeconfig") }

// ServingKey is the certificate and key of the stand-in kubelet.
func (p Plan) ServingKey() pki.Pair { return p.key("kubelet") }

// AuthorityFile is the certificate all others are signed with.
func (p Plan) AuthorityFile() string { return p.key("ca").Cert }

// StageFile is KWOK's configuration, which the supervisor writes.
func (p Plan) StageFile() string { return p.file("kwok.yaml") }

// WriteKeys makes every key, certificate and kubeconfig the components need.
func (p Plan) WriteKeys(cluster, adminKubeconfig string) error {
	a, err := pki.NewAuthority(p.file("pki"))
	if err != nil {
		return err
	}
	if _, err := a.SigningKey("service-account"); err != nil {
		return err
	}
	local := []string{"127.0.0.1", "localhost"}
	for _, s := range []pki.Subject{
		{File: "etcd", Name: "etcd", Hosts: local},
		{File: "etcd-client", Name: APIServer},
		{File: "apiserver", Name: APIServer, Hosts: append(slices.Clone(local), serviceIP,
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")},
		{File: "kubelet", Name: "kubelet", Hosts: local},
		{File: "kubelet-client", Name: APIServer, Groups: []string{"system:masters"}},
	} {
		if _, err := a.Issue(s); err != nil {
			return err
		}
	}
	type user struct {
		path    string
		subject pki.Subject
	}
	users := []user{
		{adminKubeconfig, pki.Subject{File: "admin", Name: "admin", Groups: []string{"system:masters"}}},
		{p.kubeconfig(ControllerManager), pki.Subject{File: ControllerManager, Name: "system:kube-controller-manager"}},
		{p.kubeconfig(Scheduler), pki.Subject{File: Scheduler, Name: "system:kube-scheduler"}},
		{p.kubeconfig(Kwok), pki.Subject{File: Kwok, Name: KwokUser, Groups: []string{"system:masters"}}},
	}
	for _, name := range p.Controllers {
		users = append(users, user{p.kubeconfig(name), pki.Subject{File: name, Name: "devcluster:" + name, Groups: []string{"system:masters"}}})
	}
	for _, u := range users {
		pair, err := a.Issue(u.subject)
		if err != nil {
			return err
		}
		if err := a.Kubeconfig(u.path, "devcluster-"+cluster, p.Server(), pair); err != nil {
			return err
		}
	}
	return p.writeSchedulerConfig()
}

// There is nobody to elect, but leases are what people see of a control plane's health.
// Whoever cannot renew one ends, so there is time for it: machines that compile beside
// the cluster let it starve.
const (
	leaseDuration = "5m"
	renewDeadline = "4m"
	retryPeriod   = "2s"
)

func (p Plan) writeSchedulerConfig() error {
	text := fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: true
  leaseDuration: %s
  renewDeadline: %s
  retryPeriod: %s
clientConnection:
  kubeconfig: %q
  qps: %d
  burst: %d
`, leaseDuration, renewDeadline, retryPeriod, p.kubeconfig(Scheduler), clientQPS, clientBurst)
	if err := os.WriteFile(p.file("scheduler.yaml"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the scheduler's configuration: %w", err)
	}
	return nil
}

// Specs returns the programs in the order in which they are started. self is the path
// of this binary and kwok that of KWOK.
func (p Plan) Specs(self, kwok string) []Spec {
	become := func(name string, args []string) Spec {
		return Spec{Name: name, Path: self, Args: append([]string{Command, name}, args...)}
	}
	return []Spec{
		become(Etcd, p.etcd()),
		become(APIServer, p.apiServer()),
		become(ControllerManager, p.controllerManager()),
		become(Scheduler, p.scheduler()),
		{Name: Kwok, Path: kwok, Args: p.kwok()},
	}
}

func (p Plan) etcd() []string {
	return []string{
		"--data-dir=" + p.file("etcd"),
		"--client-url=https://" + loopback(p.EtcdPort),
		"--peer-url=https://" + loopback(p.PeerPort),
		"--cert=" + p.key("etcd").Cert,
		"--key=" + p.key("etcd").Key,
		"--ca=" + p.AuthorityFile(),
	}
}

func (p Plan) apiServer() []string {
	args := []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none", // an endpoint on a loopback address is invalid
		"--secure-port=" + strconv.Itoa(p.APIPort),
		"--etcd-servers=https://" + loopback(p.EtcdPort),
		"--etcd-cafile=" + p.AuthorityFile(),
		"--etcd-certfile=" + p.key("etcd-client").Cert,
		"--etcd-keyfile=" + p.key("etcd-client").Key,
		"--tls-cert-file=" + p.key("apiserver").Cert,
		"--tls-private-key-file=" + p.key("apiserver").Key,
		"--client-ca-file=" + p.AuthorityFile(),
		"--kubelet-client-certificate=" + p.key("kubelet-client").Cert,
		"--kubelet-client-key=" + p.key("kubelet-client").Key,
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + p.file("pki", "service-account.pub"),
		"--service-account-signing-key-file=" + p.file("pki", "service-account.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true", // a third of real GPU manifests ask for it
		"--profiling=false",
	}
	args = append(args, p.gates()...)
	if len(p.RuntimeConfig) > 0 {
		args = append(args, "--runtime-config="+join(p.RuntimeConfig))
	}
	return args
}

func (p Plan) controllerManager() []string {
	kubeconfig := p.kubeconfig(ControllerManager)
	return append([]string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--secure-port=0",
		"--leader-elect=true",
		"--leader-elect-lease-duration=" + leaseDuration,
		"--leader-elect-renew-deadline=" + renewDeadline,
		"--leader-elect-retry-period=" + retryPeriod,
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + p.file("pki", "service-account.key"),
		"--root-ca-file=" + p.AuthorityFile(),
		"--cluster-signing-cert-file=" + p.key("ca").Cert,
		"--cluster-signing-key-file=" + p.key("ca").Key,
		"--service-cluster-ip-range=" + serviceRange,
		"--kube-api-qps=" + strconv.Itoa(clientQPS),
		"--kube-api-burst=" + strconv.Itoa(clientBurst),
		"--profiling=false",
	}, p.gates()...)
}

func (p Plan) scheduler() []string {
	kubeconfig := p.kubeconfig(Scheduler)
	return append([]string{
		"--config=" + p.file("scheduler.yaml"),
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--secure-port=0",
	}, p.gates()...)
}

func (p Plan) kwok() []string {
	return []string{
		"--kubeconfig=" + p.kubeconfig(Kwok),
		"--config=" + p.StageFile(),
		"--manage-nodes-with-annotation-selector=" + NodeAnnotation + "=fake",
		"--node-lease-duration-seconds=" + strconv.Itoa(leaseSeconds),
		"--node-ip=127.0.0.1",
		"--cidr=10.244.0.0/16",
	}
}

func (p Plan) gates() []string {
	if len(p.FeatureGates) == 0 {
		return nil
	}
	return []string{"--feature-gates=" + join(p.FeatureGates)}
}

// join writes switches as the components' flags want them, sorted.
func join(switches map[string]bool) string {
	parts := make([]string, 0, len(switches))
	for _, k := range slices.Sorted(maps.Keys(switches)) {
		parts = append(parts, k+"="+strconv.FormatBool(switches[k]))
	}
	return strings.Join(parts, ",")
}

// FindKwok returns the path of the kwok binary: what the environment names, or the
// file "kwok" beside this binary.
func FindKwok(self string) (string, error) {
	path := os.Getenv(KwokVariable)
	if path == "" {
		path = filepath.Join(filepath.Dir(self), "kwok")
	}
	info, err := os.Stat(path)
	if err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("no kwok program at %s: build it beside devcluster, or name it in %s", path, KwokVariable)
	}
	return path, nil
}
