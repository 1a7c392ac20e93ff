package stages

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	text, err := Config(12345)
	if err != nil {
		t.Fatal(err)
	}
	for _, macro := range []string{"%KUBELET_PORT%", "%HEAD%", "%VERB%", "%TARGET%", "%SECONDS%", "%TIMES%", "%SIMULATED%", "%EXIT%", "%MIG_LAYOUTS%"} {
		if strings.Contains(text, macro) {
			t.Errorf("%s is left", macro)
		}
	}
	if !strings.Contains(text, "Port: 12345") {
		t.Error("the kubelet's port is missing")
	}
	var names []string
	for doc := range strings.SplitSeq(text, "\n---\n") {
		var object struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		}
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
			t.Errorf("%v in\n%s", err, doc)
		}
		if object.Kind == "Stage" {
			names = append(names, object.Metadata.Name)
		}
	}
	for _, want := range []string{"mlk-node-init", "mlk-pod-start", "mlk-pod-end", "mlk-pod-crash", "mlk-pod-waiting", "mlk-pod-stop", "mlk-pod-delete"} {
		if !slices.Contains(names, want) {
			t.Errorf("stage %s is missing", want)
		}
	}
}
