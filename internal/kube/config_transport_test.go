package kube

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// authority signs client certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func testAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{}
	der, key := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}, a)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, a.key = cert, key
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// client makes a client certificate and its key, in PEM.
func (a authority) client(t *testing.T) (cert, key string) {
	t.Helper()
	der, private := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "someone"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a)
	b, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}))
}

// sign makes a certificate signed by the authority, by itself when there is
// none.
func sign(t *testing.T, c *x509.Certificate, by authority) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := by.cert, by.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der, key
}

// apiServer answers what the tests ask, for one token only, and remembers what
// it was asked.
type apiServer struct {
	*httptest.Server

	mu    sync.Mutex
	token string
	seen  []string // method, path, status
	posts []string // bodies of accepted writes
}

func newAPIServer(t *testing.T, token string) *apiServer {
	t.Helper()
	s := &apiServer{token: token}
	s.Server = httptest.NewUnstartedServer(s)
	// A refused handshake is what some tests are about; it is nobody's log.
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		s.seen = append(s.seen, r.Method+" 401")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`)
		return
	}
	s.seen = append(s.seen, r.Method+" 200")
	if r.Method == http.MethodPost {
		s.posts = append(s.posts, string(body))
		_, _ = io.WriteString(w, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"made"}}`)
		return
	}
	_, _ = io.WriteString(w, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"cluster-uid"}}`)
}

// change makes the server take another token.
func (s *apiServer) change(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// asked returns what was asked since the last call.
func (s *apiServer) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.seen
	s.seen = nil
	return out
}

func (s *apiServer) ca() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// connect makes the client of a configuration.
func connect(t *testing.T, c Config) *Client {
	t.Helper()
	c.Getenv = func(string) string { return "" }
	cfg, err := c.REST()
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// get asks for a namespace.
func get(t *testing.T, c *Client) error {
	t.Helper()
	_, err := c.NamespaceExists(t.Context(), "kube-system")
	return err
}

// post makes a ConfigMap.
func post(t *testing.T, c *Client, value string) error {
	t.Helper()
	typed, err := c.Typed()
	if err != nil {
		t.Fatal(err)
	}
	_, err = typed.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "made"}, Data: map[string]string{"value": value},
	}, metav1.CreateOptions{})
	return err
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantAsked(t *testing.T, s *apiServer, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.asked()); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestTokenFileIsReadAgainOn401(t *testing.T) { // pain 26
	t.Parallel()
	for name, config := range map[string]func(s *apiServer, file string) Config{
		"of the block": func(s *apiServer, file string) Config {
			return Config{Host: s.URL, ClusterCACertificate: s.ca(), TokenFile: file}
		},
		"of a kubeconfig": func(s *apiServer, file string) Config {
			return Config{KubeconfigContent: "{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: '" + s.URL +
				"', certificate-authority-data: " + base64.StdEncoding.EncodeToString([]byte(s.ca())) +
				"}}], users: [{name: c, user: {tokenFile: '" + file + "'}}], contexts: [{name: c, context: {cluster: c, user: c}}]}"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t, "one")
			file := filepath.Join(t.TempDir(), "token")
			write(t, file, "one\n")
			c := connect(t, config(s, file))
			if err := get(t, c); err != nil {
				t.Fatal(err)
			}
			wantAsked(t, s, "GET 200")

			s.change("two")
			write(t, file, "two\n")
			if err := get(t, c); err != nil {
				t.Fatal(err)
			}
			wantAsked(t, s, "GET 401", "GET 200")

			s.change("three")
			write(t, file, "three\n")
			if err := post(t, c, "the whole body, twice"); err != nil {
				t.Fatal(err)
			}
			wantAsked(t, s, "POST 401", "POST 200")
			if !strings.Contains(s.posts[0], "the whole body, twice") {
				t.Errorf("the repeated write lost its body: %q", s.posts[0])
			}

			// Nothing new in the file: repeating would be pointless.
			s.change("four")
			if err := get(t, c); !apierrors.IsUnauthorized(err) {
				t.Errorf("got %v, want Unauthorized", err)
			}
			wantAsked(t, s, "GET 401")
		})
	}
}

// The file may vanish for a moment while it is replaced.
func TestTokenFileThatVanishes(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t, "one")
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "one")
	c := connect(t, Config{Host: s.URL, ClusterCACertificate: s.ca(), TokenFile: file})
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := get(t, c); err != nil {
		t.Fatal(err)
	}
	s.change("two")
	if err := get(t, c); !apierrors.IsUnauthorized(err) {
		t.Errorf("got %v, want Unauthorized", err)
	}
	write(t, file, "two")
	if err := get(t, c); err != nil {
		t.Fatal(err)
	}
}

// plugin writes a script that prints the token in a file, and counts its runs.
func plugin(t *testing.T) (e *Exec, token func(string), runs func() int) {
	t.Helper()
	dir := t.TempDir()
	script, file, counter := filepath.Join(dir, "plugin.sh"), filepath.Join(dir, "token"), filepath.Join(dir, "runs")
	write(t, script, `echo run >> "$LOG"
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$(cat "$1")'"}}'
`)
	return &Exec{
			APIVersion: "client.authentication.k8s.io/v1", Command: "sh", Args: []string{script, file},
			Env: map[string]string{"LOG": counter},
		},
		func(text string) { write(t, file, text) },
		func() int {
			b, err := os.ReadFile(counter)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			return strings.Count(string(b), "run")
		}
}

func TestExecIsRunAgainOn401(t *testing.T) { // pain 26
	t.Parallel()
	s := newAPIServer(t, "one")
	e, token, runs := plugin(t)
	token("one")
	c := connect(t, Config{Host: s.URL, ClusterCACertificate: s.ca(), Exec: e})
	if got := runs(); got != 0 {
		t.Errorf("the command ran %d times before the first request", got)
	}
	for range 2 {
		if err := get(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if got := runs(); got != 1 {
		t.Errorf("the command ran %d times for two requests, want 1", got)
	}
	wantAsked(t, s, "GET 200", "GET 200")

	s.change("two")
	token("two")
	if err := post(t, c, "the whole body, twice"); err != nil {
		t.Fatal(err)
	}
	wantAsked(t, s, "POST 401", "POST 200")
	if !strings.Contains(s.posts[0], "the whole body, twice") {
		t.Errorf("the repeated write lost its body: %q", s.posts[0])
	}

	// Refused for good: repeat once, then not again until something is accepted.
	s.change("three")
	for range 3 {
		if err := get(t, c); !apierrors.IsUnauthorized(err) {
			t.Errorf("got %v, want Unauthorized", err)
		}
	}
	wantAsked(t, s, "GET 401", "GET 401", "GET 401", "GET 401")
	token("three")
	if err := get(t, c); !apierrors.IsUnauthorized(err) {
		t.Errorf("got %v, want Unauthorized", err)
	}
	if err := get(t, c); err != nil {
		t.Fatal(err)
	}
	wantAsked(t, s, "GET 401", "GET 200")
}

func TestExecThatFails(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t, "one")
	c := connect(t, Config{Host: s.URL, ClusterCACertificate: s.ca(), Exec: &Exec{
		APIVersion: "client.authentication.k8s.io/v1", Command: "sh", Args: []string{"-c", "exit 3"},
	}})
	wantError(t, get(t, c), s, `read Namespace kube-system: Get "SERVER/api/v1/namespaces/kube-system": SERVER could not be authenticated to: `+
		`getting credentials: exec: executable sh failed with exit code 3. Run the command of the provider block by hand to see its own words`)
}

// wantError compares an error, the server's address being SERVER.
func wantError(t *testing.T, err error, s *apiServer, want string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	got := strings.NewReplacer(s.URL, "SERVER", "https://localhost:"+port, "SERVER").Replace(err.Error())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownAuthority(t *testing.T) {
	t.Parallel()
	other := testAuthority(t)
	const seen = `read Namespace kube-system: Get "SERVER/api/v1/namespaces/kube-system": the certificate of SERVER is signed by an authority that is not trusted here (trusted: `
	const why = `); set cluster_ca_certificate to the cluster's own authority: tls: failed to verify certificate: x509: certificate signed by unknown authority`
	for name, tt := range map[string]struct{ ca, want string }{
		"another authority": {other.pem, "cluster_ca_certificate"},
		"no authority":      {"", "the authorities this machine trusts, because no cluster_ca_certificate is set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t, "one")
			err := get(t, connect(t, Config{Host: s.URL, ClusterCACertificate: tt.ca, Token: "one"}))
			wantError(t, err, s, seen+tt.want+why)
			var unknown x509.UnknownAuthorityError
			if !errors.As(err, &unknown) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestInsecure(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t, "one")
	if err := get(t, connect(t, Config{Host: s.URL, Insecure: ptr.To(true), Token: "one"})); err != nil {
		t.Fatal(err)
	}
}

func TestAuthorityInBase64(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t, "one")
	ca := base64.StdEncoding.EncodeToString([]byte(s.ca()))
	if err := get(t, connect(t, Config{Host: s.URL, ClusterCACertificate: ca, Token: "one"})); err != nil {
		t.Fatal(err)
	}
}

// httptest's certificate is made out to example.com and 127.0.0.1.
func TestTLSServerName(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t, "one")
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Host: "https://localhost:" + port, ClusterCACertificate: s.ca(), Token: "one"}
	wantError(t, get(t, connect(t, c)), s, `read Namespace kube-system: Get "SERVER/api/v1/namespaces/kube-system": the certificate of SERVER is made out to other names; `+
		`set tls_server_name to one of them: tls: failed to verify certificate: x509: certificate is valid for example.com, *.example.com, not localhost`)

	c.TLSServerName = "example.com"
	if err := get(t, connect(t, c)); err != nil {
		t.Fatal(err)
	}
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	ca := testAuthority(t)
	cert, key := ca.client(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"Namespace","apiVersion":"v1","metadata":{"uid":"`+r.TLS.PeerCertificates[0].Subject.CommonName+`"}}`)
	}))
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	c := connect(t, Config{
		Host: s.URL, Insecure: ptr.To(true),
		ClientCertificate: cert, ClientKey: base64.StdEncoding.EncodeToString([]byte(key)),
	})
	got, err := c.ClusterUID(t.Context())
	if err != nil || got != "someone" {
		t.Errorf("the server sees %q, %v; want someone", got, err)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	s := newAPIServer(t, "one")
	var (
		mu     sync.Mutex
		tunnel []string
	)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		tunnel = append(tunnel, r.Method+" "+r.Host)
		mu.Unlock()
		forward(r.Context(), w, s.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t, connect(t, Config{
		Host: "https://cluster.invalid:6443", TLSServerName: "example.com", ClusterCACertificate: s.ca(), Token: "one", ProxyURL: u.String(),
	})); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"CONNECT cluster.invalid:6443"}, tunnel); diff != "" {
		t.Error(diff)
	}
}

// forward answers CONNECT and copies bytes both ways.
func forward(ctx context.Context, w http.ResponseWriter, to string) {
	out, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	in, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = out.Close()
		return
	}
	go func() {
		_, _ = io.Copy(out, buffered)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
	_ = in.Close()
}
