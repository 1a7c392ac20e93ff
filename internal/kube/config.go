package kube

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/flowcontrol"
)

// The environment variables that say which cluster to use and how, named as
// other Kubernetes providers and tools name them.
const (
	EnvConfigPath  = "KUBE_CONFIG_PATH"
	EnvConfigPaths = "KUBE_CONFIG_PATHS"
	EnvKubeconfig  = "KUBECONFIG"

	EnvContext        = "KUBE_CTX"
	EnvContextUser    = "KUBE_CTX_AUTH_INFO"
	EnvContextCluster = "KUBE_CTX_CLUSTER"

	EnvHost          = "KUBE_HOST"
	EnvToken         = "KUBE_TOKEN"
	EnvTokenFile     = "KUBE_TOKEN_FILE"
	EnvClientCert    = "KUBE_CLIENT_CERT_DATA"
	EnvClientKey     = "KUBE_CLIENT_KEY_DATA"
	EnvClusterCA     = "KUBE_CLUSTER_CA_CERT_DATA"
	EnvTLSServerName = "KUBE_TLS_SERVER_NAME"
	EnvInsecure      = "KUBE_INSECURE"
	EnvProxyURL      = "KUBE_PROXY_URL"
	EnvNamespace     = "KUBE_NAMESPACE"
)

// Config says which cluster to talk to and as whom: the provider block as it
// was written, zero values standing for what it does not say, and the
// environment. Making one costs nothing; REST reads files.
//
// Each setting comes from the first of these that has it:
//
//  1. the attributes of the block that set it alone: Host, Token, …;
//  2. KubeconfigContent;
//  3. the files that Kubeconfig names;
//  4. the environment: first the variables that set one thing (KUBE_HOST,
//     KUBE_TOKEN, …), then the kubeconfig files of KUBE_CONFIG_PATH, or else
//     of KUBE_CONFIG_PATHS, or else of KUBECONFIG;
//  5. the service account of the pod that mlk runs in, only when nothing above
//     names a cluster.
//
// Four rules keep settings of different clusters apart:
//
//   - Credentials are one setting: a Token in the block replaces everything the
//     kubeconfig says about its user, and so do TokenFile, Exec and
//     ClientCertificate. So are ClusterCACertificate and Insecure.
//   - The environment's kubeconfig files are not read when the block names a
//     cluster by Host, unless it names a Context too.
//   - The context is Context, else KUBE_CTX, else the current-context. Only
//     KubeconfigContent, which is made for one cluster, puts its own
//     current-context before KUBE_CTX. KUBE_CTX_CLUSTER and KUBE_CTX_AUTH_INFO
//     apply where Context is not set and the kubeconfig comes from files.
//   - Nothing is ever guessed: no ~/.kube/config, no localhost.
type Config struct {
	// Kubeconfig is the path of a kubeconfig file, or several paths separated
	// as in KUBECONFIG; ~ is the home directory. A missing file is an error.
	Kubeconfig string
	// KubeconfigContent is the text of a kubeconfig.
	KubeconfigContent string
	// Context names the context of the kubeconfig to use.
	Context string

	// Host is the URL of the API server; https when it has no scheme.
	Host string
	// Token is a bearer token.
	Token string
	// TokenFile is the path of a file with a bearer token. It is read again
	// every minute, and at once when the server answers 401.
	TokenFile string
	// ClusterCACertificate, ClientCertificate and ClientKey are PEM, or base64
	// of PEM.
	ClusterCACertificate, ClientCertificate, ClientKey string
	// TLSServerName is the name the server's certificate must have, when it is
	// not the host's.
	TLSServerName string
	// Insecure accepts any server certificate; nil leaves it to the kubeconfig.
	Insecure *bool
	// ProxyURL is an http, https or socks5 proxy.
	ProxyURL string
	// Exec runs a command for credentials, again when the server answers 401.
	Exec *Exec

	// QPS limits the requests a second; 0 means no limit on this side.
	QPS float64
	// Burst is how many requests may go at once under QPS; 0 means 10.
	Burst int

	// Version is the provider's, for the user agent.
	Version string

	// Getenv reads the environment; nil means os.Getenv.
	Getenv func(string) string

	// serviceAccount is the folder of the pod's service account; "" means where
	// Kubernetes mounts it.
	serviceAccount string
}

// Exec is a command that prints credentials, as in a kubeconfig.
type Exec struct {
	// APIVersion is the version of ExecCredential that the command speaks.
	APIVersion string
	// Command is a path, or a name looked up on PATH.
	Command string
	// Args are its arguments.
	Args []string
	// Env is added to the environment.
	Env map[string]string
}

// defaultBurst is client-go's own.
const defaultBurst = 10

// REST makes the configuration of a client. It reads the files that the
// configuration names, and does not talk to the cluster. Its errors say which
// source was tried and what is missing there.
func (c Config) REST() (*rest.Config, error) {
	t, err := c.target()
	if err != nil {
		return nil, err
	}
	inner, err := t.rest()
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(inner, t)
	if err != nil {
		return nil, err
	}
	// Authentication, TLS and the proxy are all inside the transport, because
	// only something around them can repeat a request with fresh credentials.
	out := &rest.Config{
		Host:      inner.Host,
		Transport: transport,
		UserAgent: "terraform-provider-mlk/" + c.Version,
		QPS:       -1,
		// Warnings would go to stderr, which Terraform shows to nobody or, in
		// its log, to the wrong person.
		WarningHandlerWithContext: rest.NoWarnings{},
	}
	if c.QPS > 0 {
		burst := c.Burst
		if burst == 0 {
			burst = defaultBurst
		}
		out.QPS, out.Burst = float32(c.QPS), burst
		// One limiter for all clients made of this configuration; each would
		// make its own otherwise.
		out.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(float32(c.QPS), burst)
	}
	return out, nil
}

// layer is what one source says.
type layer struct {
	cluster clientcmdapi.Cluster
	user    clientcmdapi.AuthInfo
	// name is the source, for messages.
	name string
	// verify overrules every "insecure" further down.
	verify bool
	// names says how this source names single settings, for messages.
	names settingNames
}

// settingNames are the words a source has for the settings errors mention.
type settingNames struct{ host, proxy, ca, cert, key string }

// target is the result: one cluster, one user.
type target struct {
	cluster clientcmdapi.Cluster
	user    clientcmdapi.AuthInfo
	// host, proxy, trust and identity say where the server's address, the proxy,
	// the trusted authorities and the credentials come from.
	host, proxy, trust, identity string
	verify                       bool
}

// target puts the sources together.
func (c Config) target() (*target, error) {
	attrs, err := c.attributes()
	if err != nil {
		return nil, err
	}
	env, err := c.environment()
	if err != nil {
		return nil, err
	}

	var layers []layer // the first has the last word
	switch files, err := c.sources(); {
	case err != nil:
		return nil, err
	case files == nil:
		layers = []layer{attrs, env}
	case files.fromEnv:
		layers = []layer{attrs, env, files.layer}
	default:
		layers = []layer{attrs, files.layer, env}
	}

	t := &target{}
	for _, l := range layers {
		t.fill(l)
	}
	if t.cluster.Server != "" {
		return t, t.check(c)
	}
	pod, err := c.inCluster()
	if err != nil {
		return nil, err
	}
	if pod == nil {
		return nil, c.nothing()
	}
	t.fill(*pod)
	return t, t.check(c)
}

// fill takes from a source what no source before it has said.
func (t *target) fill(l layer) {
	if t.cluster.Server == "" && l.cluster.Server != "" {
		t.cluster.Server, t.host = l.cluster.Server, l.names.host
		t.cluster.DisableCompression = l.cluster.DisableCompression
		t.cluster.Extensions = l.cluster.Extensions
	}
	t.verify = t.verify || l.verify
	insecure := l.cluster.InsecureSkipTLSVerify && !t.verify
	if t.trust == "" && (insecure || l.cluster.CertificateAuthority != "" || len(l.cluster.CertificateAuthorityData) > 0) {
		t.cluster.CertificateAuthority = l.cluster.CertificateAuthority
		t.cluster.CertificateAuthorityData = l.cluster.CertificateAuthorityData
		t.cluster.InsecureSkipTLSVerify = insecure
		t.trust = l.names.ca
	}
	if t.cluster.TLSServerName == "" {
		t.cluster.TLSServerName = l.cluster.TLSServerName
	}
	if t.cluster.ProxyURL == "" && l.cluster.ProxyURL != "" {
		t.cluster.ProxyURL, t.proxy = l.cluster.ProxyURL, l.names.proxy
	}
	if t.identity == "" && identifies(l.user) {
		t.user, t.identity = l.user, l.name
	}
}

// identifies reports whether a source has credentials.
func identifies(u clientcmdapi.AuthInfo) bool {
	return u.Token != "" || u.TokenFile != "" || u.ClientCertificate != "" || len(u.ClientCertificateData) > 0 ||
		u.Username != "" || u.Exec != nil || u.AuthProvider != nil || u.Impersonate != ""
}

// attributes is what the block says outside its kubeconfig.
func (c Config) attributes() (layer, error) {
	l := layer{name: "the provider block", names: settingNames{
		host: "host", proxy: "proxy_url", ca: "cluster_ca_certificate", cert: "client_certificate", key: "client_key",
	}}
	if err := l.set(c.Host, c.ProxyURL, c.TLSServerName, c.ClusterCACertificate, c.Insecure); err != nil {
		return l, err
	}
	if err := l.authenticate(c.Token, c.TokenFile, c.ClientCertificate, c.ClientKey); err != nil {
		return l, err
	}
	if c.Exec != nil {
		l.user.Exec = c.Exec.kubeconfig()
	}
	return l, nil
}

// environment is what single environment variables say.
func (c Config) environment() (layer, error) {
	l := layer{name: "the environment", names: settingNames{
		host: EnvHost, proxy: EnvProxyURL, ca: EnvClusterCA, cert: EnvClientCert, key: EnvClientKey,
	}}
	insecure, err := parseBool(EnvInsecure, c.env(EnvInsecure))
	if err != nil {
		return l, err
	}
	if err := l.set(c.env(EnvHost), c.env(EnvProxyURL), c.env(EnvTLSServerName), c.env(EnvClusterCA), insecure); err != nil {
		return l, err
	}
	file := c.env(EnvTokenFile)
	if c.env(EnvToken) != "" {
		file = ""
	}
	return l, l.authenticate(c.env(EnvToken), file, c.env(EnvClientCert), c.env(EnvClientKey))
}

// set fills in the cluster's side.
func (l *layer) set(host, proxy, serverName, ca string, insecure *bool) error {
	l.cluster.Server, l.cluster.ProxyURL, l.cluster.TLSServerName = host, proxy, serverName
	if ca != "" {
		data, err := ParseCertificates(ca)
		if err != nil {
			return fmt.Errorf("%s %w", l.names.ca, err)
		}
		l.cluster.CertificateAuthorityData = data
	}
	if insecure != nil {
		l.cluster.InsecureSkipTLSVerify = *insecure
		l.verify = !*insecure
	}
	return nil
}

// authenticate fills in the user's side.
func (l *layer) authenticate(token, file, cert, key string) error {
	// A token from a file or a command often ends in a line break, which no
	// HTTP header may have.
	l.user.Token = strings.TrimSpace(token)
	path, err := home(file)
	if err != nil {
		return err
	}
	l.user.TokenFile = path
	switch {
	case cert == "" && key == "":
		return nil
	case key == "":
		return fmt.Errorf("%s is set and %s is not; a client certificate needs its key", l.names.cert, l.names.key)
	case cert == "":
		return fmt.Errorf("%s is set and %s is not; a key needs its client certificate", l.names.key, l.names.cert)
	}
	if l.user.ClientCertificateData, err = ParseCertificates(cert); err != nil {
		return fmt.Errorf("%s %w", l.names.cert, err)
	}
	if l.user.ClientKeyData, err = ParseKey(key); err != nil {
		return fmt.Errorf("%s %w", l.names.key, err)
	}
	if err := pair(l.user.ClientCertificateData, l.user.ClientKeyData); err != nil {
		return fmt.Errorf("%s and %s do not belong together: %w", l.names.cert, l.names.key, err)
	}
	return nil
}

// kubeconfig is the command as a kubeconfig says it.
func (e *Exec) kubeconfig() *clientcmdapi.ExecConfig {
	out := &clientcmdapi.ExecConfig{
		APIVersion:      e.APIVersion,
		Command:         e.Command,
		Args:            e.Args,
		InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
	}
	for _, name := range sorted(e.Env) {
		out.Env = append(out.Env, clientcmdapi.ExecEnvVar{Name: name, Value: e.Env[name]})
	}
	return out
}

// check finds what client-go would find later and say worse.
func (t *target) check(c Config) error {
	server, err := ParseHost(t.cluster.Server)
	if err != nil {
		return fmt.Errorf("%s %w", t.host, err)
	}
	t.cluster.Server = server
	if t.cluster.ProxyURL != "" {
		if err := CheckProxy(t.cluster.ProxyURL); err != nil {
			return fmt.Errorf("%s %w", t.proxy, err)
		}
	}
	if strings.HasPrefix(server, "http://") && c.credentials() {
		return fmt.Errorf("%s is %s, and credentials are only sent over https", t.host, server)
	}
	if t.trust == "" {
		t.trust = "the authorities this machine trusts, because no cluster_ca_certificate is set"
	}
	return nil
}

// credentials reports whether the block itself has any.
func (c Config) credentials() bool {
	return c.Token != "" || c.TokenFile != "" || c.ClientCertificate != "" || c.Exec != nil
}

// rest hands the cluster and the user to client-go, under a context of our own,
// so that none of its defaults can come in.
func (t *target) rest() (*rest.Config, error) {
	const one = "mlk"
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[one] = t.cluster.DeepCopy()
	cfg.AuthInfos[one] = t.user.DeepCopy()
	cfg.Contexts[one] = &clientcmdapi.Context{Cluster: one, AuthInfo: one}
	if e := cfg.AuthInfos[one].Exec; e != nil {
		// The terminal belongs to Terraform.
		e.StdinUnavailable = true
		e.StdinUnavailableMessage = "Terraform uses it"
	}
	out, err := clientcmd.NewNonInteractiveClientConfig(*cfg, one, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err == nil {
		return out, nil
	}
	if errors.Is(err, os.ErrNotExist) && t.user.TokenFile != "" {
		return nil, fmt.Errorf("token file %s of %s does not exist on this machine", t.user.TokenFile, t.identity)
	}
	text := strings.NewReplacer(
		"invalid configuration: ", "",
		fmt.Sprintf(" for %s due to ", one), ": ",
		fmt.Sprintf(" for %s", one), "",
	).Replace(err.Error())
	return nil, t.unusable(errors.New(text))
}

// unusable is the error of a configuration that client-go refuses.
func (t *target) unusable(err error) error {
	if t.identity == "" {
		return fmt.Errorf("the configuration of cluster %s cannot be used: %w", t.cluster.Server, err)
	}
	return fmt.Errorf("the configuration of cluster %s, with credentials from %s, cannot be used: %w", t.cluster.Server, t.identity, err)
}

// nothing is the error of a configuration that names no cluster.
func (c Config) nothing() error {
	var b strings.Builder
	switch {
	case c.Context != "":
		fmt.Fprintf(&b, "context is %q, but there is no kubeconfig to find it in.", c.Context)
	case c.credentials():
		b.WriteString("The provider block has credentials, but names no cluster to use them on.")
	default:
		b.WriteString("No cluster is configured.")
	}
	b.WriteString(" Set one of these:\n" +
		"  - in the provider block: kubeconfig (a path), kubeconfig_content (its text), or host with token, token_file, exec or client_certificate;\n" +
		"  - in the environment: " + EnvConfigPath + ", " + EnvConfigPaths + " or " + EnvKubeconfig + " (paths), or " + EnvHost + " with " + EnvToken + ", " + EnvTokenFile + " or " + EnvClientCert + ".\n" +
		"~/.kube/config is read only where one of these names it, and this is no pod of a cluster whose service account could be used (KUBERNETES_SERVICE_HOST is not set).")
	return errors.New(b.String())
}

// env reads the environment.
func (c Config) env(name string) string {
	if c.Getenv == nil {
		return os.Getenv(name)
	}
	return c.Getenv(name)
}
