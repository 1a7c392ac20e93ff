package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

// kubeconfig is what one kubeconfig, or several merged ones, say about the
// context that was chosen.
type kubeconfig struct {
	layer
	fromEnv bool
}

// sources reads the kubeconfig that applies; nil when none does.
func (c Config) sources() (*kubeconfig, error) {
	if c.KubeconfigContent != "" {
		cfg, err := parseKubeconfig([]byte(c.KubeconfigContent))
		if err != nil {
			return nil, fmt.Errorf("kubeconfig_content %w", err)
		}
		return c.choose(cfg, "kubeconfig_content", choice{context: first(c.Context, cfg.CurrentContext, c.env(EnvContext))}, false)
	}
	if c.Kubeconfig != "" {
		return c.files("kubeconfig", filepath.SplitList(c.Kubeconfig), true)
	}
	if c.Host != "" && c.Context == "" {
		return nil, nil
	}
	if p := c.env(EnvConfigPath); p != "" {
		return c.files(EnvConfigPath, []string{p}, false)
	}
	for _, name := range []string{EnvConfigPaths, EnvKubeconfig} {
		if p := c.env(name); p != "" {
			return c.files(name, filepath.SplitList(p), false)
		}
	}
	return nil, nil
}

// files merges kubeconfig files as kubectl does: the first to name a thing
// wins. Those of the environment may be missing, as long as one is there.
func (c Config) files(source string, paths []string, strict bool) (*kubeconfig, error) {
	rules := &clientcmd.ClientConfigLoadingRules{}
	var missing []string
	for _, p := range paths {
		p, err := home(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		if p == "" {
			continue
		}
		if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, p)
			continue
		}
		rules.Precedence = append(rules.Precedence, p)
	}
	if len(missing) > 0 && (strict || len(rules.Precedence) == 0) {
		verb := "does"
		if len(missing) > 1 {
			verb = "do"
		}
		return nil, fmt.Errorf("%s names %s, which %s not exist on this machine. Remote runs have no local files: hand them the text in kubeconfig_content",
			source, strings.Join(missing, " and "), verb)
	}
	if len(rules.Precedence) == 0 {
		return nil, fmt.Errorf("%s names no file", source)
	}
	cfg, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("%s %w", source, unreadable(rules.Precedence, err))
	}
	name := source + " (" + strings.Join(rules.Precedence, string(filepath.ListSeparator)) + ")"
	want := choice{context: first(c.Context, c.env(EnvContext), cfg.CurrentContext)}
	if c.Context == "" {
		want.cluster, want.user = c.env(EnvContextCluster), c.env(EnvContextUser)
	}
	return c.choose(cfg, name, want, !strict)
}

// unreadable says which of the files is no kubeconfig, and why.
func unreadable(paths []string, loading error) error {
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			err = errors.New("is a folder, not a file")
		} else if err != nil {
			err = fmt.Errorf("cannot be read: %w", err)
		} else {
			_, err = parseKubeconfig(data)
		}
		if err != nil {
			return fmt.Errorf("names %s, which %w", path, err)
		}
	}
	return fmt.Errorf("cannot be read: %w", loading)
}

// parseKubeconfig reads the text of a kubeconfig. Its errors quote nothing of
// the text, which has secrets in it, and follow the name of a source.
func parseKubeconfig(data []byte) (*clientcmdapi.Config, error) {
	cfg, loading := clientcmd.Load(data)
	if loading == nil {
		return cfg, nil
	}
	var content any
	if err := yaml.Unmarshal(data, &content); err != nil {
		return nil, errors.New("is not valid YAML")
	}
	fields, ok := content.(map[string]any)
	if !ok {
		return nil, errors.New("is not the text of a kubeconfig (apiVersion, kind, clusters, contexts, users); if it is base64, decode it with base64decode()")
	}
	if kind, _ := fields["kind"].(string); kind != "" && kind != "Config" {
		return nil, fmt.Errorf("is a %s, not a kubeconfig (kind: Config)", kind)
	}
	var mistyped *json.UnmarshalTypeError
	if errors.As(loading, &mistyped) {
		return nil, fmt.Errorf("is not a valid kubeconfig: %s must be a %s, not %s", mistyped.Field, mistyped.Type.Kind(), mistyped.Value)
	}
	return nil, fmt.Errorf("is not a valid kubeconfig: %w", loading)
}

// choice is what to use of a kubeconfig; cluster and user override those of the
// context.
type choice struct{ context, cluster, user string }

// choose takes one cluster and one user out of a kubeconfig.
func (c Config) choose(cfg *clientcmdapi.Config, name string, want choice, fromEnv bool) (*kubeconfig, error) {
	k := &kubeconfig{fromEnv: fromEnv, layer: layer{name: name, names: settingNames{
		host: "the server of " + name, proxy: "the proxy-url of " + name, ca: "the authority of " + name,
	}}}
	ctx := &clientcmdapi.Context{}
	switch {
	case want.context != "":
		found, ok := cfg.Contexts[want.context]
		if !ok {
			return nil, fmt.Errorf("context %q is not in %s; %s", want.context, name, listed("contexts", sorted(cfg.Contexts)))
		}
		ctx = found
		k.name = fmt.Sprintf("context %q of %s", want.context, name)
	case want.cluster == "" && c.Host == "":
		return nil, fmt.Errorf("%s has no current-context; set context. %s", name, upper(listed("contexts", sorted(cfg.Contexts))))
	}

	if n := first(want.cluster, ctx.Cluster); n != "" {
		cluster, ok := cfg.Clusters[n]
		switch {
		case !ok:
			return nil, fmt.Errorf("cluster %q is not in %s, but %s; %s", n, name, wanted(want.cluster, EnvContextCluster, k.name), listed("clusters", sorted(cfg.Clusters)))
		case cluster.Server == "" && c.Host == "":
			return nil, fmt.Errorf("cluster %q of %s has no server", n, name)
		}
		k.cluster = *cluster
	} else if c.Host == "" {
		return nil, fmt.Errorf("%s names no cluster; %s", k.name, listed("clusters", sorted(cfg.Clusters)))
	}
	if n := first(want.user, ctx.AuthInfo); n != "" {
		user, ok := cfg.AuthInfos[n]
		switch {
		case ok:
			k.user = *user
		case !c.credentials():
			return nil, fmt.Errorf("user %q is not in %s, but %s; %s", n, name, wanted(want.user, EnvContextUser, k.name), listed("users", sorted(cfg.AuthInfos)))
		}
	}
	return k, nil
}

// wanted says who asked for a part of a kubeconfig.
func wanted(override, variable, context string) string {
	if override != "" {
		return variable + " asks for it"
	}
	return context + " names it"
}

// inCluster is the service account of the pod that mlk runs in; nil when it
// runs in none.
func (c Config) inCluster() (*layer, error) {
	host, port := c.env("KUBERNETES_SERVICE_HOST"), c.env("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, nil
	}
	dir := first(c.serviceAccount, "/var/run/secrets/kubernetes.io/serviceaccount")
	l := &layer{name: "the pod's service account", names: settingNames{
		host: "KUBERNETES_SERVICE_HOST", ca: "the pod's service account",
	}}
	l.cluster.Server = "https://" + net.JoinHostPort(host, port)
	l.user.TokenFile = filepath.Join(dir, "token")
	if _, err := os.Stat(l.user.TokenFile); err != nil {
		return nil, fmt.Errorf("nothing else being configured, the service account of this pod was tried, which cannot be read: %w", err)
	}
	if ca := filepath.Join(dir, "ca.crt"); readableFile(ca) {
		l.cluster.CertificateAuthority = ca
	}
	return l, nil
}

func readableFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// home expands a leading ~ of a path.
func home(path string) (string, error) {
	path = strings.TrimSpace(path)
	if path != "~" && !strings.HasPrefix(path, "~/") && !strings.HasPrefix(path, `~\`) {
		return path, nil
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%s cannot be found: %w", path, err)
	}
	return filepath.Join(dir, path[1:]), nil
}

// maxListed is how many names an error lists before it only counts.
const maxListed = 10

// listed names what is there, quoted: "it has the contexts "a" and "b"".
func listed(what string, names []string) string {
	if len(names) == 0 {
		return "it has no " + what
	}
	more := ""
	if len(names) > maxListed {
		more = fmt.Sprintf(" and %d more", len(names)-maxListed)
		names = names[:maxListed]
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return "it has the " + what + " " + strings.Join(quoted, ", ") + more
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// first is the first that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
