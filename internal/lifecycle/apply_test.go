package lifecycle_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mlkube/terraform-provider-mlk/internal/testkit"
	"github.com/mlkube/terraform-provider-mlk/internal/testkit/fakeapi"
)

// hidden is a provider that only the framework's own server can serve.
type hidden struct{ provider.Provider }

// TestChangesAreAnsweredAsByTheFramework makes the same changes through the
// framework's server and through ours, and compares all that Terraform is told.
func TestChangesAreAnsweredAsByTheFramework(t *testing.T) {
	t.Parallel()
	steps := []map[string]any{
		config(),
		config(map[string]any{"labels": map[string]any{"a": "b"}}),
		config(map[string]any{"labels": map[string]any{"a": "refused"}}),
		config(map[string]any{"claim": "data"}),
		config(map[string]any{"image": "busybox:2"}),
		nil,
		config(map[string]any{"labels": map[string]any{"a": "refused"}}),
	}
	ours, theirs := answers(t, func(p provider.Provider) provider.Provider { return p }, steps), answers(t, func(p provider.Provider) provider.Provider { return hidden{p} }, steps)
	if len(ours) != len(steps) {
		t.Fatalf("%d answers to %d changes", len(ours), len(steps))
	}
	if failed := strings.Count(strings.Join(ours, "\n"), "not this one"); failed != 2 {
		t.Fatalf("%d changes failed, 2 should have", failed)
	}
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("framework (-), ours (+):\n%s", diff)
	}
}

// moving is what differs from run to run.
var moving = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9T:-]{19}Z|[A-Z2-7]{26}`)

func answers(t *testing.T, as func(provider.Provider) provider.Provider, steps []map[string]any) []string {
	t.Helper()
	api := fakeapi.New(t)
	w := duos(t, api)
	w.Core = testkit.NewCore(t, as(&duoProvider{testProvider{data: w.data}}), nil, "mlk_duo")
	api.Before = func(r fakeapi.Request) error {
		if strings.Contains(string(r.Body), "refused") {
			return apierrors.NewBadRequest("not this one")
		}
		return nil
	}
	var out []string
	for _, step := range steps {
		got := w.Apply(t.Context(), step)
		keys := map[string]json.RawMessage{}
		if len(w.Private) > 0 {
			if err := json.Unmarshal(w.Private, &keys); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, moving.ReplaceAllString(fmt.Sprintf("errors %s\nwarnings %s\nreplace %v\nstate %s\nidentity %q\nprivate %v\ntainted %v",
			got.Errors(), got.Warnings(), got.Replace, w.State, wire(w.Identity), slices.Sorted(maps.Keys(keys)), w.Tainted), "…"))
	}
	return out
}

func wire(id *tfprotov6.ResourceIdentityData) []byte {
	if id == nil || id.IdentityData == nil {
		return nil
	}
	return id.IdentityData.MsgPack
}

// TestStopEndsAWait has Terraform stop the provider while it waits for an object
// to be deleted: the call ends and says so.
func TestStopEndsAWait(t *testing.T) {
	t.Parallel()
	w := duos(t, fakeapi.New(t))
	if out := w.Apply(t.Context(), config()); out.Errors() != "" {
		t.Fatal(out.Errors())
	}
	job := w.api.Get("Job", "default", "one")
	job.SetFinalizers([]string{"example.com/hold"})
	w.api.Put(job)
	asked := make(chan struct{})
	var once sync.Once
	w.api.Before = func(r fakeapi.Request) error {
		if r.Watch {
			once.Do(func() { close(asked) })
		}
		return nil
	}
	done := make(chan testkit.Outcome)
	go func() { done <- w.Apply(context.WithoutCancel(t.Context()), nil) }()
	<-asked
	w.Stop(t.Context())
	out := <-done
	if !strings.Contains(out.Errors(), "Interrupted while waiting") || w.State.IsNull() {
		t.Errorf("state is null: %v; said %q", w.State.IsNull(), out.Errors())
	}
}
