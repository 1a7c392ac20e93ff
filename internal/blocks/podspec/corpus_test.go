package podspec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// manifestsDir is where real manifests are: a folder named by MLK_MANIFESTS,
// the one beside the checkout, or the few of this package.
func manifestsDir() string {
	for _, dir := range []string{os.Getenv("MLK_MANIFESTS"), filepath.Join("..", "..", "..", "..", "shared", "manifests")} {
		if dir == "" {
			continue
		}
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return filepath.Join("testdata", "manifests")
}

// templates are the pod templates of the manifests of a folder, by file name.
func templates(t *testing.T, dir string) map[string]*corev1.PodTemplateSpec {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*corev1.PodTemplateSpec{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(b)))
		for {
			doc, err := reader.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if template := templateIn(t, f, doc); template != nil {
				out[strings.TrimSuffix(filepath.Base(f), ".yaml")] = template
			}
		}
	}
	return out
}

func templateIn(t *testing.T, file string, doc []byte) *corev1.PodTemplateSpec {
	t.Helper()
	var head metav1.TypeMeta
	if err := yaml.Unmarshal(doc, &head); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	read := func(into any) {
		if err := yaml.Unmarshal(doc, into); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	switch head.Kind {
	case "Job":
		var o batchv1.Job
		read(&o)
		return &o.Spec.Template
	case "CronJob":
		var o batchv1.CronJob
		read(&o)
		return &o.Spec.JobTemplate.Spec.Template
	case "Deployment":
		var o appsv1.Deployment
		read(&o)
		return &o.Spec.Template
	case "StatefulSet":
		var o appsv1.StatefulSet
		read(&o)
		return &o.Spec.Template
	case "DaemonSet":
		var o appsv1.DaemonSet
		read(&o)
		return &o.Spec.Template
	case "Pod":
		var o corev1.Pod
		read(&o)
		return &corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: o.Labels, Annotations: o.Annotations}, Spec: o.Spec}
	}
	return nil
}

// byServer are values the server fills in, by the last names of their place:
// the model leaves them out although a manifest states them.
var byServer = map[string]any{
	"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "protocol": "TCP", "dnsPolicy": "ClusterFirst",
	"schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30.0, "periodSeconds": 10.0, "timeoutSeconds": 1.0,
	"successThreshold": 1.0, "failureThreshold": 3.0, "scheme": "HTTP", "apiVersion": "v1", "defaultMode": 420.0, "divisor": "0",
}

// TestCorpus adopts real pods: what comes back never says more than they do,
// and says nearly all.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := manifestsDir()
	all := templates(t, dir)
	if len(all) == 0 {
		t.Fatalf("no manifests in %s", dir)
	}
	said, total := 0, 0
	for _, name := range sortedKeys(all) {
		template := all[name]
		m, ds := Adopt(template)
		if ds.HasError() {
			t.Errorf("%s: %v", name, ds)
			continue
		}
		want := indexed(t, template)
		got := index(leavesOf(objectOf(t, applied(t, &m))))
		for place, v := range got {
			have, ok := want[place]
			switch {
			case ok && reflect.DeepEqual(have, v), !ok && isEmpty(v), impliedRequest(place, v, want), place == "" && isEmpty(v):
			default:
				t.Errorf("%s: %s is %v, the manifest has %v", name, place, v, have)
			}
		}
		var missing []string
		count := 0
		for place, v := range want {
			if outside(place, v, got, template) {
				continue
			}
			count++
			if _, ok := got[place]; !ok {
				missing = append(missing, place)
			}
		}
		slices.Sort(missing)
		said, total = said+count-len(missing), total+count
		if len(missing) > 0 {
			t.Logf("%s: %d of %d fields; left for patch: %s", name, count-len(missing), count, strings.Join(missing, ", "))
		}

		again, _ := Adopt(templateOf(t, applied(t, &m)))
		if string(applied(t, &again)) != string(applied(t, &m)) {
			t.Errorf("%s: adopting what was applied gives something else", name)
		}
	}
	t.Logf("%d pods of %s: attributes say %d of %d fields (%.1f %%)", len(all), dir, said, total, 100*float64(said)/float64(total))
	if share := float64(said) / float64(total); share < 0.99 {
		t.Errorf("attributes say only %.1f %% of the fields of real pods", 100*share)
	}
}

func index(leaves []leaf) map[string]any {
	out := make(map[string]any, len(leaves))
	for _, l := range leaves {
		out[l.String()] = l.value
	}
	return out
}

func indexed(t *testing.T, template *corev1.PodTemplateSpec) map[string]any {
	t.Helper()
	b, err := json.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	return index(leavesOf(objectOf(t, b)))
}

// impliedRequest reports whether a request is the limit of the same resource,
// as the server would make it.
func impliedRequest(place string, v any, want map[string]any) bool {
	limit, ok := want[strings.Replace(place, "resources / requests", "resources / limits", 1)]
	return strings.Contains(place, "resources / requests") && ok && reflect.DeepEqual(limit, v)
}

// outside reports whether a field of a manifest is not the block's to say: the
// resource's own, empty, or a default of the server.
func outside(place string, v any, got map[string]any, template *corev1.PodTemplateSpec) bool {
	if isEmpty(v) || place == "spec / restartPolicy" || place == "metadata / name" {
		return true
	}
	last := place[strings.LastIndex(place, " / ")+3:]
	if d, ok := byServer[last]; ok && d == v {
		return true
	}
	if last == "serviceAccount" {
		return v == template.Spec.ServiceAccountName
	}
	if image, ok := got[strings.Replace(place, "imagePullPolicy", "image", 1)].(string); ok && last == "imagePullPolicy" {
		return v == string(pullPolicy(image))
	}
	return false
}
