package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
)

// ServerVersion is what the API server says about itself.
func (c *Client) ServerVersion(ctx context.Context) (version.Info, error) {
	var info version.Info
	body, err := c.rest.Get().AbsPath("version").Do(ctx).Raw()
	if err != nil {
		return info, fmt.Errorf("ask for the version of the API server: %w", statusError(body, err))
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return info, fmt.Errorf("read the version of the API server: %w", err)
	}
	return info, nil
}

// Check is one of the checks that make an API server ready.
type Check struct {
	Name string
	OK   bool
	// Message is what the server says of one that failed.
	Message string
}

// errNoChecks is an answer to /readyz that lists none.
var errNoChecks = errors.New("the answer to /readyz lists no checks")

// Readyz asks the API server whether it is ready; the checks are those it lists,
// etcd among them, in its order.
func (c *Client) Readyz(ctx context.Context) ([]Check, error) {
	var code int
	body, err := c.rest.Get().AbsPath("readyz").Param("verbose", "true").Do(ctx).StatusCode(&code).Raw()
	if err != nil {
		body = []byte(plainText(err))
	}
	checks := checksOf(string(body))
	switch {
	case len(checks) > 0 && err != nil && !slices.ContainsFunc(checks, func(c Check) bool { return !c.OK }):
		// The check that fails is among those that were cut off.
		return append(checks, Check{Name: "readyz", Message: "failed"}), nil
	case len(checks) > 0:
		return checks, nil // one that is not ready answers 500, and says why
	case err != nil:
		return nil, fmt.Errorf("ask the API server whether it is ready: %w", statusError(body, err))
	case code == http.StatusOK && strings.TrimSpace(string(body)) == "ok":
		return []Check{{Name: "readyz", OK: true}}, nil
	}
	return nil, errNoChecks
}

// plainText is the body of an answer in plain text that client-go made an error
// of. It keeps the first two kilobytes.
func plainText(err error) string {
	var s apierrors.APIStatus
	if !errors.As(err, &s) || s.Status().Details == nil {
		return ""
	}
	for _, c := range s.Status().Details.Causes {
		if c.Type == metav1.CauseTypeUnexpectedServerResponse {
			return c.Message
		}
	}
	return ""
}

// checksOf reads lines such as "[+]etcd ok" and "[-]etcd failed: reason withheld".
func checksOf(text string) []Check {
	var out []Check
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, said, _ := strings.Cut(strings.TrimLeft(line, "[+-]"), " ")
		switch {
		case strings.HasPrefix(line, "[+]"):
			out = append(out, Check{Name: name, OK: true})
		case strings.HasPrefix(line, "[-]"):
			out = append(out, Check{Name: name, Message: said})
		}
	}
	return out
}

// APIGroups are the API groups that the server serves, each with its versions,
// the preferred one first.
func (c *Client) APIGroups(ctx context.Context) (map[string][]string, error) {
	body, err := c.rest.Get().AbsPath("apis").Do(ctx).Raw()
	if err != nil {
		return nil, fmt.Errorf("ask for the API groups: %w", statusError(body, err))
	}
	var list metav1.APIGroupList
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("read the API groups: %w", err)
	}
	out := map[string][]string{}
	for _, g := range list.Groups {
		versions := []string{g.PreferredVersion.Version}
		for _, v := range g.Versions {
			if v.Version != g.PreferredVersion.Version {
				versions = append(versions, v.Version)
			}
		}
		out[g.Name] = versions
	}
	return out, nil
}
