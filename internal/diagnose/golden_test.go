package diagnose

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write what the code says into testdata/*/want.txt")

// now is when the evidence of every case was collected.
var now = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// documents reads a YAML stream of a case; a missing file is an empty one.
// Unknown fields are errors, so that a case cannot lie by a spelling mistake.
func documents[T any](t *testing.T, dir, file string) []T {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, file))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	for _, doc := range regexp.MustCompile(`(?m)^---\s*$`).Split(string(raw), -1) {
		if len(bytes.TrimSpace([]byte(doc))) == 0 {
			continue
		}
		var v T
		if err := yaml.UnmarshalStrict([]byte(doc), &v); err != nil {
			t.Fatalf("%s/%s: %v", dir, file, err)
		}
		out = append(out, v)
	}
	return out
}

func objects(t *testing.T, dir, file string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, m := range documents[map[string]any](t, dir, file) {
		// Through JSON once more, so that numbers are int64 as a client has them.
		raw, err := yaml.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		js, err := yaml.YAMLToJSON(raw)
		if err != nil {
			t.Fatal(err)
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(js); err != nil {
			t.Fatalf("%s/%s: %v", dir, file, err)
		}
		out = append(out, o)
	}
	return out
}

func load(t *testing.T, dir string) Evidence {
	t.Helper()
	e := Evidence{
		Objects:  append(objects(t, dir, "jobs.yaml"), objects(t, dir, "objects.yaml")...),
		Pods:     documents[corev1.Pod](t, dir, "pods.yaml"),
		Events:   documents[corev1.Event](t, dir, "events.yaml"),
		Nodes:    documents[corev1.Node](t, dir, "nodes.yaml"),
		NodePods: documents[corev1.Pod](t, dir, "nodepods.yaml"),
		Claims:   documents[corev1.PersistentVolumeClaim](t, dir, "claims.yaml"),
		Now:      now,
	}
	for _, m := range documents[map[string]string](t, dir, "logs.yaml") {
		e.Logs = map[LogKey]string{}
		for k, v := range m {
			pod, container, ok := strings.Cut(k, "/")
			if !ok {
				t.Fatalf("%s/logs.yaml: key %q is not pod/container", dir, k)
			}
			e.Logs[LogKey{pod, container}] = v
		}
	}
	secrets := documents[corev1.Secret](t, dir, "secrets.yaml")
	for _, unread := range append(documents[map[string]string](t, dir, "unread.yaml"), nil) {
		newMasks(e.Pods, secrets, unread).over(&e)
	}
	return e
}

// render writes findings the way a person reads them.
func render(findings, trusting []Finding) string {
	var b strings.Builder
	if len(findings) == 0 {
		b.WriteString("nothing to explain\n")
	}
	for i, f := range findings {
		certain := "waiting may help"
		if f.Certain {
			certain = "certain"
		}
		for _, t := range trusting {
			if cmp.Equal(t, f) {
				certain = "certain, even when retries are trusted"
			}
		}
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s\n", f.Summary)
		fmt.Fprintf(&b, "  [%s; %s; %s", f.Reason, f.Subject, certain)
		if f.Count > 0 {
			fmt.Fprintf(&b, "; %s", plural(f.Count, "pod"))
		}
		b.WriteString("]\n")
		if f.PodField != nil {
			fmt.Fprintf(&b, "  [pod field %s]\n", strings.Join(f.PodField, " › "))
		}
		if f.Field != nil {
			fmt.Fprintf(&b, "  [field %s]\n", strings.Join(f.Field, " › "))
		}
		fmt.Fprintf(&b, "%s\n", f.Happened)
		quoted(&b, "  > ", f.Why)
		fmt.Fprintf(&b, "%s\n", f.Do)
		quoted(&b, "  | ", f.Log)
	}
	return b.String()
}

func quoted(b *strings.Builder, prefix, s string) {
	if s == "" {
		return
	}
	for l := range strings.SplitSeq(s, "\n") {
		b.WriteString(prefix + l + "\n")
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			var got string
			if objs := objects(t, dir, "deleted.yaml"); len(objs) > 0 {
				stay := Stay{
					Object: objs[0],
					Pods:   documents[corev1.Pod](t, dir, "pods.yaml"),
					Nodes:  documents[corev1.Node](t, dir, "nodes.yaml"),
					Events: documents[corev1.Event](t, dir, "events.yaml"),
					Now:    now,
				}
				if ns := documents[corev1.Namespace](t, dir, "namespace.yaml"); len(ns) > 0 {
					stay.Namespace = &ns[0]
				}
				got = render(Blockers(stay), nil)
			} else {
				e := load(t, dir)
				findings := Explain(e)
				readable(t, findings)
				if again := Explain(e); !cmp.Equal(findings, again) {
					t.Errorf("explaining twice differs: %s", cmp.Diff(findings, again))
				}
				got = render(findings, Certain(e, Policy{TrustRetries: true}))
			}
			file := filepath.Join(dir, "want.txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// readable checks what every message owes a person at 3 a.m.
func readable(t *testing.T, findings []Finding) {
	t.Helper()
	bad := regexp.MustCompile(`(?i)failed to|%!|<nil>|\{[A-Z][A-Za-z]*:|&\{|map\[|\x00|  |\.\.`)
	for _, f := range findings {
		if f.Summary == "" || f.Happened == "" || f.Do == "" || f.Subject == "" || f.Reason == "" {
			t.Errorf("a part is missing: %+v", f)
		}
		for _, s := range []string{f.Summary, f.Happened, f.Do} {
			if m := bad.FindString(s); m != "" {
				t.Errorf("%q does not belong into %q", m, s)
			}
		}
		if len(f.Summary) > 80 {
			t.Errorf("summary is %d long: %q", len(f.Summary), f.Summary)
		}
		if strings.HasSuffix(f.Summary, ".") || !strings.HasSuffix(f.Happened, ".") {
			t.Errorf("full stops: %q, %q", f.Summary, f.Happened)
		}
		if f.Happened == f.Summary || f.Why != "" && strings.Contains(f.Happened, f.Why) {
			t.Errorf("said twice: %q", f.Happened)
		}
		if strings.Count(f.Log, "\n") >= logLines {
			t.Errorf("the log is longer than %d lines", logLines)
		}
	}
}
