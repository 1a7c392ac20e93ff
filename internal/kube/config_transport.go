package kube

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	// Kubeconfigs may name the auth provider oidc; those of gcp and azure say
	// what replaced them.
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	"k8s.io/client-go/rest"
	clienttransport "k8s.io/client-go/transport"
)

// roundTripper sends requests with the credentials of one target, repeats once
// what the server answered with 401 after the credentials were refreshed, and
// turns errors of the connection into readable ones.
//
// A 401 comes before the server has done anything, so that a repeated write
// happens once.
type roundTripper struct {
	base   http.RoundTripper
	target *target
	// token is the token file, nil when the credentials are others.
	token *tokenFile
	// refused is set while fresh credentials were refused too: repeating would
	// only run a slow command twice for each request.
	refused atomic.Bool
}

var _ utilnet.RoundTripperWrapper = &roundTripper{}

// newTransport makes the transport of a configuration, including everything
// that authenticates.
func newTransport(cfg *rest.Config, t *target) (*roundTripper, error) {
	rt := &roundTripper{target: t}
	if cfg.BearerTokenFile != "" {
		// client-go reads a token file again after a minute, but not on a 401.
		rt.token = &tokenFile{
			source:   clienttransport.NewCachedFileTokenSource(cfg.BearerTokenFile),
			fallback: t.user.Token,
		}
		if _, err := rt.token.get(); err != nil {
			return nil, fmt.Errorf("the credentials of %s: %w", t.identity, err)
		}
		cfg.BearerToken, cfg.BearerTokenFile = "", ""
	}
	base, err := rest.TransportFor(cfg)
	if err != nil {
		return nil, t.unusable(err)
	}
	rt.base = base
	return rt, nil
}

// WrappedRoundTripper lets client-go look inside.
func (rt *roundTripper) WrappedRoundTripper() http.RoundTripper { return rt.base }

// RoundTrip sends the request.
func (rt *roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	res, used, err := rt.try(req, req.Body)
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		if err == nil {
			rt.refused.Store(false)
		}
		return res, err
	}
	if rt.refused.Load() || !rt.renewed(used) {
		return res, nil
	}
	body := req.Body
	if body != nil && body != http.NoBody {
		if req.GetBody == nil {
			return res, nil
		}
		if body, err = req.GetBody(); err != nil {
			return res, nil //nolint:nilerr // The 401 is the answer; only its repetition failed.
		}
	}
	drain(res)
	res, _, err = rt.try(req, body)
	if err == nil {
		rt.refused.Store(res.StatusCode == http.StatusUnauthorized)
	}
	return res, err
}

// try sends the request once and returns the token it used, if that came from a
// file.
func (rt *roundTripper) try(req *http.Request, body io.ReadCloser) (*http.Response, *sentToken, error) {
	// A copy, because the exec plugin writes its token into the request and
	// takes one that is already there for the caller's own.
	attempt := utilnet.CloneRequest(req)
	attempt.Body = body
	var used *sentToken
	if rt.token != nil && attempt.Header.Get("Authorization") == "" {
		sent, err := rt.token.get()
		if err != nil {
			return nil, nil, fmt.Errorf("the credentials of %s: %w", rt.target.identity, err)
		}
		used = sent
		attempt.Header.Set("Authorization", "Bearer "+sent.text)
	}
	res, err := rt.base.RoundTrip(attempt)
	if err != nil {
		return nil, used, rt.explain(err)
	}
	return res, used, nil
}

// renewed reports whether a repeated request can have other credentials than
// the one that was refused.
func (rt *roundTripper) renewed(used *sentToken) bool {
	if used == nil {
		// The exec plugin has just run its command again; nothing else can change.
		return rt.target.user.Exec != nil || rt.target.user.AuthProvider != nil
	}
	return rt.token.renew(used)
}

// tokenFile is a bearer token in a file.
type tokenFile struct {
	source clienttransport.ResettableTokenSource
	// fallback is used while the file cannot be read; may be "".
	fallback string
}

// sentToken is a token and when it was asked for.
type sentToken struct {
	text string
	at   time.Time
}

func (f *tokenFile) get() (*sentToken, error) {
	now := time.Now()
	t, err := f.source.Token()
	if err == nil {
		return &sentToken{t.AccessToken, now}, nil
	}
	if f.fallback != "" {
		return &sentToken{f.fallback, now}, nil
	}
	return nil, err
}

// renew reads the file again, unless that has happened since the token was
// sent, and reports whether the token is another one now.
func (f *tokenFile) renew(used *sentToken) bool {
	f.source.ResetTokenOlderThan(time.Now())
	fresh, err := f.get()
	return err == nil && fresh.text != used.text
}

// maxDrained is how much of a refused answer is read so that its connection can
// be used again; a Status of the API server is far below.
const maxDrained = 64 << 10

func drain(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, maxDrained)
	_ = res.Body.Close()
}

// explain adds to an error of the connection what the user can do about it.
func (rt *roundTripper) explain(err error) error {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		server    = rt.target.cluster.Server
	)
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("the certificate of %s is signed by an authority that is not trusted here (trusted: %s); set cluster_ca_certificate to the cluster's own authority: %w",
			server, rt.target.trust, err)
	case errors.As(err, &name):
		return fmt.Errorf("the certificate of %s is made out to other names; set tls_server_name to one of them: %w", server, err)
	case strings.HasPrefix(err.Error(), "getting credentials: exec"):
		return fmt.Errorf("%s could not be authenticated to: %w. Run the command of %s by hand to see its own words", server, err, rt.target.identity)
	}
	return err
}
