package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Serves reports whether the server has a kind, for those that not every
// cluster has. Yes is remembered; no is not: somebody may install it meanwhile.
func (c *Client) Serves(ctx context.Context, k Kind) (bool, error) {
	c.mu.Lock()
	known := c.served[k]
	c.mu.Unlock()
	if known {
		return true, nil
	}
	var list metav1.APIResourceList
	if ok, err := c.ask(ctx, &list, "apis", k.Group, k.Version); err != nil || !ok {
		return false, err
	}
	if !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == k.Resource }) {
		return false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served[k] = true
	return true, nil
}

// Discover finds a kind by its group and name, in the version that the server
// prefers; not ok when the server has none. It is for kinds that mlk does not know
// beforehand, or in more than one version.
func (c *Client) Discover(ctx context.Context, group, kind string) (k Kind, ok bool, err error) {
	var g metav1.APIGroup
	if ok, err := c.ask(ctx, &g, "apis", group); err != nil || !ok {
		return Kind{}, false, err
	}
	versions := []string{g.PreferredVersion.Version}
	for _, v := range g.Versions {
		if v.Version != versions[0] {
			versions = append(versions, v.Version)
		}
	}
	for _, v := range versions {
		var list metav1.APIResourceList
		if _, err := c.ask(ctx, &list, "apis", group, v); err != nil {
			return Kind{}, false, err
		}
		for _, r := range list.APIResources {
			if r.Kind == kind && !strings.Contains(r.Name, "/") {
				return Kind{Group: group, Version: v, Kind: kind, Resource: r.Name, Namespaced: r.Namespaced}, true, nil
			}
		}
	}
	return Kind{}, false, nil
}

// ask reads what the server says of its APIs; not ok when it has none there. Of a
// group that nobody has installed it says so in plain text, which client-go makes an
// error of without a code.
func (c *Client) ask(ctx context.Context, into any, segments ...string) (ok bool, err error) {
	var code int
	body, err := c.rest.Get().AbsPath(segments...).Do(ctx).StatusCode(&code).Raw()
	if code == http.StatusNotFound || apierrors.IsNotFound(err) {
		return false, nil
	}
	at := strings.Join(segments[1:], "/")
	if err != nil {
		return false, fmt.Errorf("ask for the kinds of %s: %w", at, statusError(body, err))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return false, fmt.Errorf("read the kinds of %s: %w", at, err)
	}
	return true, nil
}
