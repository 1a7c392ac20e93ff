package kube

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
)

// workFile has two contexts and the current one is "work".
const workFile = `
apiVersion: v1
kind: Config
current-context: work
clusters:
- name: work
  cluster: {server: https://work.example.com, insecure-skip-tls-verify: true, proxy-url: "http://proxy.work.example.com:3128"}
- name: lab
  cluster: {server: https://lab.example.com, tls-server-name: kubernetes.lab}
users:
- name: worker
  user: {token: work-token}
- name: labber
  user: {username: labber, password: lab-password, as: lab-admin}
contexts:
- name: work
  context: {cluster: work, user: worker, namespace: not-used}
- name: lab
  context: {cluster: lab, user: labber}
`

// moreFile adds a cluster to workFile and tries to change its context "work".
const moreFile = `
apiVersion: v1
kind: Config
current-context: more
clusters:
- {name: more, cluster: {server: https://more.example.com}}
users:
- {name: more, user: {token: more-token}}
contexts:
- {name: more, context: {cluster: more, user: more}}
- {name: work, context: {cluster: more, user: more}}
`

// anonymousFile has no credentials.
const anonymousFile = `
apiVersion: v1
kind: Config
current-context: a
clusters:
- {name: a, cluster: {server: https://a.example.com}}
contexts:
- {name: a, context: {cluster: a}}
`

// found is what the tests look at of a target.
type found struct {
	Server, Token, TokenFile, User, As, CA, ServerName, Proxy, Exec string
	Insecure                                                        bool
}

func look(t *target) found {
	f := found{
		Server:     t.cluster.Server,
		Token:      t.user.Token,
		TokenFile:  t.user.TokenFile,
		User:       t.user.Username,
		As:         t.user.Impersonate,
		CA:         strings.TrimSpace(string(t.cluster.CertificateAuthorityData)),
		ServerName: t.cluster.TLSServerName,
		Proxy:      t.cluster.ProxyURL,
		Insecure:   t.cluster.InsecureSkipTLSVerify,
	}
	if t.user.Exec != nil {
		f.Exec = t.user.Exec.Command
	}
	return f
}

// folder writes files and returns the folder and what replaces its name in
// expectations: $DIR.
func folder(t *testing.T, files map[string]string) (dir string, anonymous func(string) string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func(s string) string { return strings.ReplaceAll(s, dir, "$DIR") }
}

// in fills the folder's name into the paths of a configuration and of its
// environment.
func in(dir string, c Config, env map[string]string) Config {
	fill := func(s string) string { return strings.ReplaceAll(s, "$DIR", dir) }
	c.Kubeconfig, c.TokenFile, c.serviceAccount = fill(c.Kubeconfig), fill(c.TokenFile), fill(c.serviceAccount)
	c.KubeconfigContent = fill(c.KubeconfigContent)
	c.Getenv = func(name string) string { return fill(env[name]) }
	return c
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	ca := testAuthority(t)
	oneCA := strings.TrimSpace(ca.pem)
	otherCA := strings.TrimSpace(testAuthority(t).pem)

	work := found{Server: "https://work.example.com", Token: "work-token", Insecure: true, Proxy: "http://proxy.work.example.com:3128"}
	lab := found{Server: "https://lab.example.com", User: "labber", As: "lab-admin", ServerName: "kubernetes.lab"}
	more := found{Server: "https://more.example.com", Token: "more-token"}

	tests := map[string]struct {
		config Config
		env    map[string]string
		want   found
	}{
		"a file": {
			config: Config{Kubeconfig: "$DIR/work"},
			want:   work,
		},
		"another context of a file": {
			config: Config{Kubeconfig: "$DIR/work", Context: "lab"},
			want:   lab,
		},
		"several files: the first to name a thing wins": {
			config: Config{Kubeconfig: "$DIR/work" + string(filepath.ListSeparator) + "$DIR/more"},
			want:   work,
		},
		"several files: the second adds": {
			config: Config{Kubeconfig: "$DIR/work" + string(filepath.ListSeparator) + "$DIR/more", Context: "more"},
			want:   more,
		},
		"content": {
			config: Config{KubeconfigContent: workFile},
			want:   work,
		},
		"content before a file": {
			config: Config{KubeconfigContent: workFile, Kubeconfig: "$DIR/more"},
			want:   work,
		},
		"host and token alone": {
			config: Config{Host: "10.0.0.1:6443", Token: " secret\n"},
			want:   found{Server: "https://10.0.0.1:6443", Token: "secret"},
		},
		"a host with a path": {
			config: Config{Host: "https://rancher.example.com/k8s/clusters/c-1", Token: "secret"},
			want:   found{Server: "https://rancher.example.com/k8s/clusters/c-1", Token: "secret"},
		},
		"attributes before the kubeconfig": {
			config: Config{
				Kubeconfig: "$DIR/work", Context: "lab", Host: "https://tunnel.example.com", Token: "mine",
				TLSServerName: "mine.lab", ProxyURL: "socks5://localhost:1080", ClusterCACertificate: oneCA,
			},
			want: found{Server: "https://tunnel.example.com", Token: "mine", ServerName: "mine.lab", Proxy: "socks5://localhost:1080", CA: oneCA},
		},
		"credentials replace the kubeconfig's user as a whole": {
			config: Config{Kubeconfig: "$DIR/work", Context: "lab", Exec: &Exec{Command: "get-token"}},
			want:   found{Server: "https://lab.example.com", ServerName: "kubernetes.lab", Exec: "get-token"},
		},
		"a CA replaces the kubeconfig's insecure": {
			config: Config{Kubeconfig: "$DIR/work", ClusterCACertificate: oneCA},
			want:   found{Server: work.Server, Token: work.Token, Proxy: work.Proxy, CA: oneCA},
		},
		"insecure = false replaces the kubeconfig's insecure": {
			config: Config{Kubeconfig: "$DIR/work", Insecure: ptr.To(false)},
			want:   found{Server: work.Server, Token: work.Token, Proxy: work.Proxy},
		},
		"insecure = false keeps the authority of a source further down": {
			config: Config{Host: "https://h", Insecure: ptr.To(false)},
			env:    map[string]string{"KUBE_CLUSTER_CA_CERT_DATA": oneCA},
			want:   found{Server: "https://h", CA: oneCA},
		},
		"insecure = true drops the authority of a source further down": {
			config: Config{Host: "https://h", Insecure: ptr.To(true)},
			env:    map[string]string{"KUBE_CLUSTER_CA_CERT_DATA": oneCA},
			want:   found{Server: "https://h", Insecure: true},
		},
		"a CA before KUBE_INSECURE": {
			config: Config{Host: "https://h", ClusterCACertificate: oneCA},
			env:    map[string]string{"KUBE_INSECURE": "true", "KUBE_CLUSTER_CA_CERT_DATA": otherCA},
			want:   found{Server: "https://h", CA: oneCA},
		},

		"KUBE_CONFIG_PATH before the others": {
			env:  map[string]string{"KUBE_CONFIG_PATH": "$DIR/more", "KUBE_CONFIG_PATHS": "$DIR/work", "KUBECONFIG": "$DIR/anonymous"},
			want: more,
		},
		"KUBE_CONFIG_PATHS before KUBECONFIG": {
			env:  map[string]string{"KUBE_CONFIG_PATHS": "$DIR/work" + string(filepath.ListSeparator) + "$DIR/more", "KUBECONFIG": "$DIR/anonymous"},
			want: work,
		},
		"KUBECONFIG, some of whose files are missing": {
			env:  map[string]string{"KUBECONFIG": "$DIR/none" + string(filepath.ListSeparator) + "$DIR/work"},
			want: work,
		},
		"a file in the block before those of the environment": {
			config: Config{Kubeconfig: "$DIR/more"},
			env:    map[string]string{"KUBE_CONFIG_PATH": "$DIR/work"},
			want:   more,
		},
		"KUBE_CTX": {
			env:  map[string]string{"KUBECONFIG": "$DIR/work", "KUBE_CTX": "lab"},
			want: lab,
		},
		"KUBE_CTX with a file in the block": {
			config: Config{Kubeconfig: "$DIR/work"},
			env:    map[string]string{"KUBE_CTX": "lab"},
			want:   lab,
		},
		"the block's context before KUBE_CTX": {
			config: Config{Kubeconfig: "$DIR/work", Context: "work"},
			env:    map[string]string{"KUBE_CTX": "lab", "KUBE_CTX_CLUSTER": "lab", "KUBE_CTX_AUTH_INFO": "labber"},
			want:   work,
		},
		"content's own context before KUBE_CTX": {
			config: Config{KubeconfigContent: workFile},
			env:    map[string]string{"KUBE_CTX": "lab", "KUBE_CTX_CLUSTER": "lab"},
			want:   work,
		},
		"KUBE_CTX_CLUSTER and KUBE_CTX_AUTH_INFO": {
			env:  map[string]string{"KUBECONFIG": "$DIR/work", "KUBE_CTX_CLUSTER": "lab", "KUBE_CTX_AUTH_INFO": "worker"},
			want: found{Server: lab.Server, Token: work.Token, ServerName: lab.ServerName},
		},
		"single variables alone": {
			env: map[string]string{
				"KUBE_HOST": "https://env.example.com", "KUBE_TOKEN": "env-token", "KUBE_CLUSTER_CA_CERT_DATA": oneCA,
				"KUBE_TLS_SERVER_NAME": "env", "KUBE_PROXY_URL": "http://env-proxy:80",
			},
			want: found{Server: "https://env.example.com", Token: "env-token", CA: oneCA, ServerName: "env", Proxy: "http://env-proxy:80"},
		},
		"single variables before the environment's files": {
			env:  map[string]string{"KUBECONFIG": "$DIR/work", "KUBE_TOKEN": "env-token", "KUBE_HOST": "https://env.example.com"},
			want: found{Server: "https://env.example.com", Token: "env-token", Insecure: true, Proxy: work.Proxy},
		},
		"a file in the block before single variables": {
			config: Config{Kubeconfig: "$DIR/work"},
			env:    map[string]string{"KUBE_HOST": "https://env.example.com", "KUBE_TOKEN": "env-token", "KUBE_PROXY_URL": "http://env-proxy:80"},
			want:   work,
		},
		"single variables fill what a file does not say": {
			config: Config{Kubeconfig: "$DIR/anonymous"},
			env:    map[string]string{"KUBE_TOKEN": "env-token", "KUBE_CLUSTER_CA_CERT_DATA": oneCA},
			want:   found{Server: "https://a.example.com", Token: "env-token", CA: oneCA},
		},
		"KUBE_INSECURE=false overrules the environment's file": {
			env:  map[string]string{"KUBECONFIG": "$DIR/work", "KUBE_INSECURE": "false"},
			want: found{Server: work.Server, Token: work.Token, Proxy: work.Proxy},
		},
		"KUBE_TOKEN before KUBE_TOKEN_FILE": {
			env:  map[string]string{"KUBE_HOST": "https://h", "KUBE_TOKEN": "env-token", "KUBE_TOKEN_FILE": "$DIR/token"},
			want: found{Server: "https://h", Token: "env-token"},
		},
		"KUBE_TOKEN_FILE": {
			env:  map[string]string{"KUBE_HOST": "https://h", "KUBE_TOKEN_FILE": "$DIR/token"},
			want: found{Server: "https://h", TokenFile: "$DIR/token"},
		},
		"a host in the block: the environment's files belong to another cluster": {
			config: Config{Host: "https://h"},
			env:    map[string]string{"KUBECONFIG": "$DIR/work", "KUBE_TOKEN": "env-token"},
			want:   found{Server: "https://h", Token: "env-token"},
		},
		"a host and a context in the block": {
			config: Config{Host: "https://h", Context: "lab"},
			env:    map[string]string{"KUBECONFIG": "$DIR/work"},
			want:   found{Server: "https://h", User: "labber", As: "lab-admin", ServerName: "kubernetes.lab"},
		},
		"a token in the block on the environment's cluster": {
			config: Config{Token: "mine"},
			env:    map[string]string{"KUBECONFIG": "$DIR/work", "KUBE_TOKEN": "env-token"},
			want:   found{Server: work.Server, Token: "mine", Insecure: true, Proxy: work.Proxy},
		},

		"in a cluster": {
			config: Config{serviceAccount: "$DIR"},
			env:    map[string]string{"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"},
			want:   found{Server: "https://[fd00::1]:443", TokenFile: "$DIR/token"},
		},
		"in a cluster, as somebody else": {
			config: Config{serviceAccount: "$DIR", Token: "mine"},
			env:    map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"},
			want:   found{Server: "https://10.0.0.1:443", Token: "mine"},
		},
		"in a cluster, but something else is configured": {
			config: Config{serviceAccount: "$DIR"},
			env:    map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443", "KUBECONFIG": "$DIR/work"},
			want:   work,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, anonymous := folder(t, map[string]string{"work": workFile, "more": moreFile, "anonymous": anonymousFile, "token": "pod-token"})
			target, err := in(dir, tt.config, tt.env).target()
			if err != nil {
				t.Fatal(err)
			}
			got := look(target)
			got.TokenFile = anonymous(got.TokenFile)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHomeFolder(t *testing.T) {
	dir, _ := folder(t, map[string]string{"work": workFile, "token": "t"})
	t.Setenv("HOME", dir)
	t.Setenv("USERPROFILE", dir)
	for _, c := range []Config{
		{Kubeconfig: "~/work"},
		{Kubeconfig: dir + "/work" + string(filepath.ListSeparator) + "~/work", TokenFile: "~/token"},
	} {
		target, err := in(dir, c, nil).target()
		if err != nil {
			t.Fatal(err)
		}
		if target.cluster.Server != "https://work.example.com" {
			t.Errorf("%q leads to %s", c.Kubeconfig, target.cluster.Server)
		}
		if c.TokenFile != "" && target.user.TokenFile != filepath.Join(dir, "token") {
			t.Errorf("token file is %s", target.user.TokenFile)
		}
	}
}

// Paths in a kubeconfig start at its own folder.
func TestRelativePathsInFiles(t *testing.T) {
	t.Parallel()
	ca := testAuthority(t)
	dir, _ := folder(t, map[string]string{
		"config": strings.Replace(anonymousFile, "server:", "certificate-authority: ca.pem, server:", 1),
		"ca.pem": ca.pem,
	})
	cfg := in(dir, Config{Kubeconfig: "$DIR/config"}, nil)
	if _, err := cfg.REST(); err != nil {
		t.Fatal(err)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	ca := testAuthority(t)
	cert, key := ca.client(t)
	_, otherKey := ca.client(t)
	var many strings.Builder
	many.WriteString("apiVersion: v1\nkind: Config\ncontexts:\n")
	for _, n := range "abcdefghijkl" {
		many.WriteString("- {name: " + string(n) + ", context: {cluster: c}}\n")
	}

	const nothing = ` Set one of these:
  - in the provider block: kubeconfig (a path), kubeconfig_content (its text), or host with token, token_file, exec or client_certificate;
  - in the environment: KUBE_CONFIG_PATH, KUBE_CONFIG_PATHS or KUBECONFIG (paths), or KUBE_HOST with KUBE_TOKEN, KUBE_TOKEN_FILE or KUBE_CLIENT_CERT_DATA.
~/.kube/config is read only where one of these names it, and this is no pod of a cluster whose service account could be used (KUBERNETES_SERVICE_HOST is not set).`

	tests := map[string]struct {
		config Config
		env    map[string]string
		want   string
	}{
		"nothing": {
			want: `No cluster is configured.` + nothing,
		},
		"only a context": {
			config: Config{Context: "work"},
			want:   `context is "work", but there is no kubeconfig to find it in.` + nothing,
		},
		"only credentials": {
			config: Config{Token: "secret"},
			want:   `The provider block has credentials, but names no cluster to use them on.` + nothing,
		},
		"a missing file": {
			config: Config{Kubeconfig: "$DIR/none"},
			want:   `kubeconfig names $DIR/none, which does not exist on this machine. Remote runs have no local files: hand them the text in kubeconfig_content`,
		},
		"one of several files is missing": {
			config: Config{Kubeconfig: "$DIR/work" + string(filepath.ListSeparator) + "$DIR/none"},
			want:   `kubeconfig names $DIR/none, which does not exist on this machine. Remote runs have no local files: hand them the text in kubeconfig_content`,
		},
		"all files of the environment are missing": {
			env:  map[string]string{"KUBECONFIG": "$DIR/a" + string(filepath.ListSeparator) + "$DIR/b"},
			want: `KUBECONFIG names $DIR/a and $DIR/b, which do not exist on this machine. Remote runs have no local files: hand them the text in kubeconfig_content`,
		},
		"a folder": {
			config: Config{Kubeconfig: "$DIR"},
			want:   `kubeconfig names $DIR, which is a folder, not a file`,
		},
		"no paths": {
			env:  map[string]string{"KUBECONFIG": string(filepath.ListSeparator)},
			want: `KUBECONFIG names no file`,
		},
		"not YAML": {
			config: Config{Kubeconfig: "$DIR/broken"},
			want:   `kubeconfig names $DIR/broken, which is not valid YAML`,
		},
		"content in base64": {
			config: Config{KubeconfigContent: "c2VjcmV0IHNlY3JldA=="},
			want:   `kubeconfig_content is not the text of a kubeconfig (apiVersion, kind, clusters, contexts, users); if it is base64, decode it with base64decode()`,
		},
		"content of another kind": {
			config: Config{KubeconfigContent: "{apiVersion: v1, kind: Secret}"},
			want:   `kubeconfig_content is a Secret, not a kubeconfig (kind: Config)`,
		},
		"a value of another type": {
			config: Config{KubeconfigContent: "{apiVersion: v1, kind: Config, users: [{name: a, user: {token: [secret]}}]}"},
			want:   `kubeconfig_content is not a valid kubeconfig: users.user.token must be a string, not array`,
		},
		"a context that is not there": {
			config: Config{Kubeconfig: "$DIR/work", Context: "prod"},
			want:   `context "prod" is not in kubeconfig ($DIR/work); it has the contexts "lab", "work"`,
		},
		"a context that is not there, from the environment": {
			env:  map[string]string{"KUBE_CTX": "prod", "KUBECONFIG": "$DIR/work" + string(filepath.ListSeparator) + "$DIR/more"},
			want: `context "prod" is not in KUBECONFIG ($DIR/work:$DIR/more); it has the contexts "lab", "more", "work"`,
		},
		"a context of many that is not there": {
			config: Config{KubeconfigContent: many.String(), Context: "z"},
			want:   `context "z" is not in kubeconfig_content; it has the contexts "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" and 2 more`,
		},
		"an empty kubeconfig": {
			config: Config{Kubeconfig: "$DIR/empty"},
			want:   `kubeconfig ($DIR/empty) has no current-context; set context. It has no contexts`,
		},
		"no current context": {
			config: Config{KubeconfigContent: strings.Replace(workFile, "current-context: work", "", 1)},
			want:   `kubeconfig_content has no current-context; set context. It has the contexts "lab", "work"`,
		},
		"a cluster that is not there": {
			config: Config{KubeconfigContent: many.String(), Context: "a"},
			want:   `cluster "c" is not in kubeconfig_content, but context "a" of kubeconfig_content names it; it has no clusters`,
		},
		"a cluster that is not there, from the environment": {
			env:  map[string]string{"KUBECONFIG": "$DIR/work", "KUBE_CTX_CLUSTER": "prod"},
			want: `cluster "prod" is not in KUBECONFIG ($DIR/work), but KUBE_CTX_CLUSTER asks for it; it has the clusters "lab", "work"`,
		},
		"a user that is not there": {
			config: Config{KubeconfigContent: strings.Replace(workFile, "user: worker", "user: gone", 1)},
			want:   `user "gone" is not in kubeconfig_content, but context "work" of kubeconfig_content names it; it has the users "labber", "worker"`,
		},
		"a context without a cluster": {
			config: Config{KubeconfigContent: strings.Replace(workFile, "cluster: work, user", "user", 1)},
			want:   `context "work" of kubeconfig_content names no cluster; it has the clusters "lab", "work"`,
		},
		"a cluster without a server": {
			config: Config{KubeconfigContent: strings.Replace(workFile, "server: https://work.example.com, ", "", 1)},
			want:   `cluster "work" of kubeconfig_content has no server`,
		},
		"a certificate authority that is not there": {
			config: Config{KubeconfigContent: strings.Replace(anonymousFile, "server:", "certificate-authority: $DIR/ca.pem, server:", 1)},
			want:   `the configuration of cluster https://a.example.com cannot be used: unable to read certificate-authority $DIR/ca.pem: open $DIR/ca.pem: no such file or directory`,
		},
		"a client certificate that is not there": {
			config: Config{KubeconfigContent: strings.Replace(workFile, "token: work-token", "client-certificate: $DIR/c.pem, client-key: $DIR/k.pem", 1)},
			want: `the configuration of cluster https://work.example.com, with credentials from context "work" of kubeconfig_content, cannot be used: ` +
				`[unable to read client-cert $DIR/c.pem: open $DIR/c.pem: no such file or directory, unable to read client-key $DIR/k.pem: open $DIR/k.pem: no such file or directory]`,
		},
		"a command that wants the terminal": {
			config: Config{KubeconfigContent: strings.Replace(workFile, "token: work-token", "exec: {apiVersion: client.authentication.k8s.io/v1, command: x}", 1)},
			want: `the configuration of cluster https://work.example.com, with credentials from context "work" of kubeconfig_content, cannot be used: ` +
				`interactiveMode must be specified to use exec authentication plugin`,
		},
		"a token file that is not there": {
			config: Config{Host: "https://h", TokenFile: "$DIR/none"},
			want:   `token file $DIR/none of the provider block does not exist on this machine`,
		},
		"an empty token file": {
			config: Config{Host: "https://h", TokenFile: "$DIR/empty"},
			want:   `the credentials of the provider block: read empty token from file "$DIR/empty"`,
		},
		"a pod without a service account": {
			config: Config{serviceAccount: "$DIR/none"},
			env:    map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"},
			want:   `nothing else being configured, the service account of this pod was tried, which cannot be read: stat $DIR/none/token: no such file or directory`,
		},
		"a host that is none": {
			config: Config{Host: "https://"},
			want:   `host is "https://", which is no address of an API server such as https://10.0.0.1:6443`,
		},
		"a host of another kind, from the environment": {
			env:  map[string]string{"KUBE_HOST": "unix:///run/api.sock"},
			want: `KUBE_HOST is "unix:///run/api.sock", which is no address of an API server such as https://10.0.0.1:6443`,
		},
		"a host with a password": {
			config: Config{Host: "https://admin:secret@h"},
			want:   `host has a user name in its URL; set token, token_file, exec or client_certificate instead`,
		},
		"credentials without encryption": {
			config: Config{Host: "http://h", Token: "secret"},
			want:   `host is http://h, and credentials are only sent over https`,
		},
		"a proxy of another kind": {
			config: Config{Host: "https://h", ProxyURL: "ftp://admin:secret@proxy"},
			want:   `proxy_url has the scheme "ftp"; it must be http, https or socks5`,
		},
		"a proxy of another kind, in a kubeconfig": {
			config: Config{Kubeconfig: "$DIR/proxy"},
			want:   `the proxy-url of kubeconfig ($DIR/proxy) is no URL of a proxy such as http://proxy.example.com:3128`,
		},
		"a boolean that is none": {
			env:  map[string]string{"KUBE_HOST": "https://h", "KUBE_INSECURE": "yes"},
			want: `KUBE_INSECURE is "yes"; it must be true or false`,
		},
		"a path for a certificate": {
			config: Config{Host: "https://h", ClusterCACertificate: "/etc/ca.pem"},
			want:   `cluster_ca_certificate is neither PEM nor base64 of PEM; if it is the path of a file, use file()`,
		},
		"a key for a certificate": {
			config: Config{Host: "https://h", ClientCertificate: key, ClientKey: key},
			want:   `client_certificate holds PRIVATE KEY in PEM, but no CERTIFICATE`,
		},
		"PEM that lost its line breaks": {
			env:  map[string]string{"KUBE_HOST": "https://h", "KUBE_CLUSTER_CA_CERT_DATA": strings.ReplaceAll(ca.pem, "\n", " ")},
			want: `KUBE_CLUSTER_CA_CERT_DATA holds no readable PEM block "CERTIFICATE"; it may have been cut short or lost its line breaks`,
		},
		"a certificate without its key": {
			env:  map[string]string{"KUBE_HOST": "https://h", "KUBE_CLIENT_CERT_DATA": cert},
			want: `KUBE_CLIENT_CERT_DATA is set and KUBE_CLIENT_KEY_DATA is not; a client certificate needs its key`,
		},
		"a key without its certificate": {
			config: Config{Host: "https://h", ClientKey: key},
			want:   `client_key is set and client_certificate is not; a key needs its client certificate`,
		},
		"the key of another certificate": {
			config: Config{Host: "https://h", ClientCertificate: cert, ClientKey: otherKey},
			want:   `client_certificate and client_key do not belong together: tls: private key does not match public key`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, anonymous := folder(t, map[string]string{
				"work": workFile, "more": moreFile, "empty": "", "broken": "a: [b: secret",
				"proxy": strings.Replace(anonymousFile, "server:", "proxy-url: nowhere, server:", 1),
			})
			_, err := in(dir, tt.config, tt.env).REST()
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tt.want, anonymous(err.Error())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	type limits struct {
		QPS     float32
		Burst   int
		Limited bool
	}
	for name, tt := range map[string]struct {
		config Config
		want   limits
	}{
		"off by default": {Config{}, limits{QPS: -1}},
		"qps":            {Config{QPS: 50}, limits{QPS: 50, Burst: 10, Limited: true}},
		"qps and burst":  {Config{QPS: 0.5, Burst: 1}, limits{QPS: 0.5, Burst: 1, Limited: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.config.Host = "https://h"
			cfg, err := in("", tt.config, nil).REST()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, limits{cfg.QPS, cfg.Burst, cfg.RateLimiter != nil}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What client-go would print by itself goes nowhere, and the server sees who
// asks.
func TestManners(t *testing.T) {
	t.Parallel()
	cfg, err := in("", Config{Host: "https://h", Version: "1.2.3"}, nil).REST()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := cfg.WarningHandlerWithContext.(rest.NoWarnings); !ok {
		t.Errorf("warnings go to %T", cfg.WarningHandlerWithContext)
	}
	if want := "terraform-provider-mlk/1.2.3"; cfg.UserAgent != want {
		t.Errorf("user agent is %q, want %q", cfg.UserAgent, want)
	}
}

// A kubeconfig's command that may ask questions is told that it cannot.
func TestCommandsGetNoTerminal(t *testing.T) {
	t.Parallel()
	c := in("", Config{KubeconfigContent: strings.Replace(workFile, "token: work-token",
		"exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: IfAvailable}", 1)}, nil)
	target, err := c.target()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := target.rest()
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.ExecProvider.StdinUnavailable {
		t.Error("the command may read from the terminal")
	}
}
