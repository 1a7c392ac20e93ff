package lifecycle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the provider's labels say already is not generated as the resource's own.
func TestImportSaysLabelsOnce(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		provider, live, labels map[string]any
		quiet                  bool
	}{
		"all of them":   {map[string]any{"team": "a"}, map[string]any{"team": "a"}, nil, true},
		"some of them":  {map[string]any{"team": "a"}, map[string]any{"team": "a", "x": "1"}, map[string]any{"x": "1"}, true},
		"another value": {map[string]any{"team": "a"}, map[string]any{"team": "b"}, map[string]any{"team": "b"}, true},
		"missing ones":  {map[string]any{"team": "a"}, map[string]any{"x": "1"}, map[string]any{"x": "1"}, false},
		"none":          {nil, map[string]any{"x": "1"}, map[string]any{"x": "1"}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w := newWorld(t)
			w.data.Labels = map[string]string{}
			for k, v := range tt.provider {
				w.data.Labels[k], _ = v.(string)
			}
			job := foreignJob("one")
			set(job.Object, tt.live, "metadata", "labels")
			w.api.Put(job)
			if out := w.Import(ctx, "default/one"); out.Errors() != "" {
				t.Fatal(out.Errors())
			}
			conf := w.Config()
			got, _ := conf["labels"].(map[string]any)
			if diff := cmp.Diff(tt.labels, got); diff != "" {
				t.Errorf("labels (-want +got):\n%s", diff)
			}
			if out := w.Plan(ctx, conf); out.Changed == tt.quiet {
				t.Errorf("a change is planned: %t\n%s", out.Changed, out.Errors())
			}
		})
	}
}
