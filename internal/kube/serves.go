package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

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
	var code int
	body, err := c.rest.Get().AbsPath("apis", k.Group, k.Version).Do(ctx).StatusCode(&code).Raw()
	// Of a group that nobody has installed the server says so in plain text, which
	// client-go makes an error of without a code.
	if code == http.StatusNotFound || apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask for the kinds of %s: %w", k.APIVersion(), statusError(body, err))
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(body, &list); err != nil {
		return false, fmt.Errorf("read the kinds of %s: %w", k.APIVersion(), err)
	}
	if !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == k.Resource }) {
		return false, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served[k] = true
	return true, nil
}
