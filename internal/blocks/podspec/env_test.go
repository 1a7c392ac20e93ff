package podspec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

func TestEnvOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		values map[string]string
		from   []string
		want   []string
	}{
		{"sorted", map[string]string{"B": "1", "A": "2"}, nil, []string{"A", "B"}},
		{"after what it names", map[string]string{"A": "$(Z)/x", "Z": "1", "B": ""}, nil, []string{"Z", "A", "B"}},
		{"chain", map[string]string{"A": "$(B)", "B": "$(C)", "C": "1"}, nil, []string{"C", "B", "A"}},
		{"two names", map[string]string{"A": "$(Z):$(Y)", "Y": "1", "Z": "2"}, nil, []string{"Y", "Z", "A"}},
		{"escaped", map[string]string{"A": "$$(Z)", "Z": "1"}, nil, []string{"A", "Z"}},
		{"escaped dollar before a reference", map[string]string{"A": "$$$(Z)", "Z": "1"}, nil, []string{"Z", "A"}},
		{"unknown name", map[string]string{"A": "$(HOME)", "B": "1"}, nil, []string{"A", "B"}},
		{"not closed", map[string]string{"A": "$(Z", "Z": "1"}, nil, []string{"A", "Z"}},
		{"itself", map[string]string{"A": "$(A)x", "B": "1"}, nil, []string{"A", "B"}},
		{"circle", map[string]string{"C": "$(B)", "B": "$(D)", "D": "$(C)", "A": "1", "E": "$(A)"}, nil, []string{"A", "B", "C", "D", "E"}},
		{"after a circle", map[string]string{"A": "$(Z)", "Z": "$(Y)", "Y": "$(Z)"}, nil, []string{"Y", "Z", "A"}},
		{"names one from elsewhere", map[string]string{"A": "$(POD)"}, []string{"POD"}, []string{"POD", "A"}},
		{"a reference across the word", map[string]string{"A": "x$(B)y$(C)", "B": "$(C)", "C": ""}, nil, []string{"C", "B", "A"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var k Container
			k.Env, k.EnvValueFrom = map[string]types.String{}, map[string]EnvValue{}
			for name, v := range c.values {
				k.Env[name] = types.StringValue(v)
			}
			for _, name := range c.from {
				k.EnvValueFrom[name] = EnvValue{Field: types.StringValue("metadata.name")}
			}
			if d := cmp.Diff(c.want, k.envOrder()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNullVariableIsNone(t *testing.T) {
	t.Parallel()
	k := Container{Env: map[string]types.String{"A": types.StringNull(), "B": types.StringValue("")}}
	env, ds := k.applyEnv()
	if ds.HasError() || len(env) != 1 || *env[0].Name != "B" || *env[0].Value != "" {
		t.Errorf("env = %v, %v", env, ds)
	}
}
