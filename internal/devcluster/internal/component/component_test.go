package component

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSpecs(t *testing.T) {
	t.Parallel()
	p := Plan{
		Dir: "/c", EtcdPort: 1, PeerPort: 2, APIPort: 3,
		FeatureGates:  map[string]bool{"B": false, "A": true},
		RuntimeConfig: map[string]bool{"scheduling.k8s.io/v1beta1": true},
	}
	specs := p.Specs("/bin/devcluster", "/bin/kwok")
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
		gated := s.Name != Etcd && s.Name != Kwok
		if got := slices.Contains(s.Args, "--feature-gates=A=true,B=false"); got != gated {
			t.Errorf("%s has the feature gates: %t", s.Name, got)
		}
		if got := slices.Contains(s.Args, "--runtime-config=scheduling.k8s.io/v1beta1=true"); got != (s.Name == APIServer) {
			t.Errorf("%s has the runtime configuration: %t", s.Name, got)
		}
		for _, a := range s.Args {
			if strings.Contains(a, "0.0.0.0") {
				t.Errorf("%s listens everywhere: %s", s.Name, a)
			}
		}
	}
	if want := []string{Etcd, APIServer, ControllerManager, Scheduler, Kwok}; !slices.Equal(names, want) {
		t.Errorf("order %v, want %v", names, want)
	}
	if !slices.Contains(specs[1].Args, "--allow-privileged=true") {
		t.Error("privileged pods are refused")
	}
}

func TestFindKwok(t *testing.T) {
	dir := t.TempDir()
	self := filepath.Join(dir, "devcluster")
	t.Setenv(KwokVariable, "")
	if _, err := FindKwok(self); err == nil || !strings.Contains(err.Error(), KwokVariable) {
		t.Errorf("a missing kwok gives %v", err)
	}
	for _, name := range []string{"kwok", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := FindKwok(self); err != nil || got != filepath.Join(dir, "kwok") {
		t.Errorf("beside: %s, %v", got, err)
	}
	t.Setenv(KwokVariable, filepath.Join(dir, "other"))
	if got, err := FindKwok(self); err != nil || got != filepath.Join(dir, "other") {
		t.Errorf("named: %s, %v", got, err)
	}
}
