package trainingjob_test

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	rule := func(r config) config { return config{"pod_failure_policy": []any{r}} }
	codes := func(c config) config { return rule(config{"action": "FailJob", "on_exit_codes": c}) }
	gang := func(c config) config { return config{"distributed": with(config{"nodes": 4}, c)} }
	indexed := func(c config) config {
		return with(config{"completion_mode": "Indexed", "completions": 4, "parallelism": 4}, c)
	}
	for name, tc := range map[string]struct {
		more config
		want string // part of the one diagnostic; "" for none
	}{
		"nothing wrong":              {config{}, ""},
		"zeros":                      {config{"backoff_limit": 0, "ttl_seconds_after_finished": 0, "active_deadline_seconds": 0}, ""},
		"a Job without image":        {config{"image": nil}, "image is missing"},
		"image of the runtime":       {config{"image": nil, "engine": "kubeflow", "training_runtime": config{"name": "torch-distributed"}}, ""},
		"no runtime":                 {config{"engine": "kubeflow"}, "needs a training runtime"},
		"launcher without runtime":   {with(gang(config{"launcher": "mpi"}), config{"engine": "kubeflow"}), "needs a training runtime"},
		"runtime of the launcher":    {with(gang(config{"launcher": "jax"}), config{"engine": "kubeflow"}), ""},
		"runtime of a Job":           {config{"training_runtime": config{"name": "x"}}, `training_runtime needs engine = "kubeflow"`},
		"beyond a TrainJob":          {with(gang(config{"launcher": "jax", "restart": "all"}), config{"engine": "kubeflow", "backoff_limit": 1}), "A TrainJob cannot say backoff_limit and 1 more"},
		"container of a TrainJob":    {with(gang(config{"launcher": "jax"}), config{"engine": "kubeflow", "container_name": "main"}), `called "node"`},
		"a runtime or none":          {config{"training_runtime": notKnown{}}, ""},
		"a limit or none":            {with(gang(config{"launcher": "jax", "min_nodes": notKnown{}}), config{"engine": "kubeflow", "backoff_limit": notKnown{}}), ""},
		"engine not known":           {config{"image": nil, "engine": notKnown{}}, ""},
		"negative backoff":           {config{"backoff_limit": -1}, "backoff_limit"},
		"long name":                  {config{"name": strings.Repeat("a", 41)}, "name"},
		"longest name":               {config{"name": strings.Repeat("a", 40)}, ""},
		"name with dots":             {config{"name": "a.b"}, "is not a DNS label"},
		"longest run name":           {config{"run_name": strings.Repeat("a", 63)}, ""},
		"long run name":              {config{"run_name": strings.Repeat("a", 64)}, "run_name"},
		"restart policy of no Job":   {config{"restart_policy": "Always"}, "restart_policy"},
		"level of services":          {config{"wait_for": "ready"}, "wait_for"},
		"kept and deleted at once":   {config{"keep_runs": 1, "ttl_seconds_after_finished": 0}, "keep_runs keeps nothing"},
		"rules with restarts":        {with(codes(config{"operator": "In", "values": []any{1}}), config{"restart_policy": "OnFailure"}), "needs restart_policy"},
		"zero is no failure":         {codes(config{"operator": "In", "values": []any{0, 1}}), "Exit code 0"},
		"zero is not in":             {codes(config{"operator": "NotIn", "values": []any{0, 1}}), ""},
		"no codes":                   {codes(config{"operator": "In", "values": []any{}}), "values"},
		"main container":             {codes(config{"container": "main", "operator": "In", "values": []any{1}}), ""},
		"no such container":          {codes(config{"container": "trainer", "operator": "In", "values": []any{1}}), `no container "trainer"`},
		"named container":            {with(codes(config{"container": "trainer", "operator": "In", "values": []any{1}}), config{"container_name": "trainer"}), ""},
		"name not known":             {with(codes(config{"container": "trainer", "operator": "In", "values": []any{1}}), config{"container_name": notKnown{}}), ""},
		"extra container":            {with(codes(config{"container": "x", "operator": "In", "values": []any{1}}), config{"extra_containers": config{"x": config{"image": "x"}}}), ""},
		"init container":             {with(codes(config{"container": "x", "operator": "In", "values": []any{1}}), config{"init_containers": []any{config{"name": "x", "image": "x"}}}), ""},
		"container of the patch":     {with(codes(config{"container": "x", "operator": "In", "values": []any{1}}), config{"patch": config{"Job": config{"spec": config{}}}}), ""},
		"neither codes nor":          {rule(config{"action": "Ignore"}), "on_exit_codes"},
		"codes and conditions":       {rule(config{"action": "Ignore", "on_exit_codes": config{"operator": "In", "values": []any{1}}, "on_pod_conditions": []any{config{"type": "DisruptionTarget"}}}), "on_exit_codes"},
		"condition":                  {rule(config{"action": "Ignore", "on_pod_conditions": []any{config{"type": "DisruptionTarget"}}}), ""},
		"no condition type":          {rule(config{"action": "Ignore", "on_pod_conditions": []any{config{"type": "not one"}}}), "is not the type of a pod condition"},
		"no rules":                   {config{"pod_failure_policy": []any{}}, "pod_failure_policy"},
		"index of no indexed Job":    {rule(config{"action": "FailIndex", "on_pod_conditions": []any{config{"type": "DisruptionTarget"}}}), "limit per index"},
		"index of a patched Job":     {with(rule(config{"action": "FailIndex", "on_pod_conditions": []any{config{"type": "DisruptionTarget"}}}), config{"patch": config{"Job": config{"spec": config{"backoffLimitPerIndex": 1}}}}), ""},
		"index with a limit":         {with(rule(config{"action": "FailIndex", "on_pod_conditions": []any{config{"type": "DisruptionTarget"}}}), indexed(config{"backoff_limit_per_index": 1})), ""},
		"limit of no index":          {config{"backoff_limit_per_index": 1}, "backoff_limit_per_index needs an indexed Job"},
		"success of no index":        {config{"success_policy": []any{config{"succeeded_count": 1}}}, "success_policy needs an indexed Job"},
		"success of how many":        {config{"completion_mode": "Indexed", "success_policy": []any{config{"succeeded_count": 1}}}, "success_policy needs completions"},
		"success of nothing":         {indexed(config{"success_policy": []any{config{}}}), "succeeded_count"},
		"indexes without a number":   {config{"completion_mode": "Indexed", "parallelism": 4}, "needs completions"},
		"indexes and restarts":       {indexed(config{"backoff_limit_per_index": 1, "restart_policy": "OnFailure"}), "needs restart_policy"},
		"failed without limit":       {indexed(config{"max_failed_indexes": 1}), "needs backoff_limit_per_index"},
		"more failed than there are": {indexed(config{"backoff_limit_per_index": 1, "max_failed_indexes": 5}), "more than there are indexes"},
		"replaced too early":         {with(codes(config{"operator": "In", "values": []any{1}}), config{"pod_replacement_policy": "TerminatingOrFailed"}), "pod_replacement_policy"},
		"a gang":                     {gang(config{}), ""},
		"a gang not known":           {config{"distributed": notKnown{}}, ""},
		"size not known":             {gang(config{"nodes": notKnown{}, "min_nodes": 9, "launcher": "torchrun"}), ""},
		"launcher not known":         {gang(config{"launcher": notKnown{}, "min_nodes": 2}), ""},
		"no rank":                    {gang(config{"nodes": 0}), "nodes"},
		"gang and completions":       {with(gang(config{}), config{"completions": 4}), "completions cannot be set beside distributed"},
		"gang and host name":         {with(gang(config{}), config{"hostname": "x"}), "hostname cannot be set beside distributed"},
		"rank as a variable":         {with(gang(config{}), config{"env": config{"JOB_COMPLETION_INDEX": "0"}}), "is the rank"},
		"success twice":              {with(gang(config{"success": "leader"}), config{"success_policy": []any{config{"succeeded_count": 1}}}), "two ways"},
		"success in detail":          {with(gang(config{}), config{"success_policy": []any{config{"succeeded_count": 1}}}), ""},
		"elastic JAX":                {gang(config{"launcher": "jax", "min_nodes": 2}), `min_nodes does nothing with launcher "jax"`},
		"processes of JAX":           {gang(config{"launcher": "jax", "processes_per_node": 2}), "processes_per_node does nothing"},
		"port of nothing":            {gang(config{"port": 1}), "port does nothing"},
		"more needed than there are": {gang(config{"launcher": "torchrun", "min_nodes": 5}), "min_nodes = 5 is more than nodes = 4"},
		"elastic":                    {gang(config{"launcher": "torchrun", "min_nodes": 4}), ""},
		"all again and restarts":     {with(gang(config{"restart": "all"}), config{"restart_policy": "OnFailure"}), "needs restart_policy"},
		"size without together":      {gang(config{"gang_size": 2}), "gang_size does nothing without distributed.gang"},
		"size of more than all":      {gang(config{"gang": "native", "gang_size": 5}), "gang_size = 5 is more than nodes = 4"},
		"size of those together":     {gang(config{"gang": "native", "gang_size": 3}), ""},
		"queue of Kubernetes":        {gang(config{"gang": "native", "gang_queue": "a"}), "is a queue of Volcano's"},
		"queue of nobody":            {gang(config{"gang_queue": "a"}), "gang_queue does nothing without distributed.gang"},
		"together not known":         {gang(config{"gang": notKnown{}, "gang_size": 9}), ""},
		"together as a TrainJob":     {with(gang(config{"gang": "native", "launcher": "torchrun"}), config{"engine": "kubeflow"}), "A TrainJob cannot say distributed.gang"},
		"all again and elastic":      {gang(config{"restart": "all", "launcher": "torchrun", "min_nodes": 2}), "contradict"},
		"more failed than ranks":     {with(gang(config{}), config{"backoff_limit_per_index": 1, "max_failed_indexes": 5}), "more than there are ranks"},
		"gang of a numbered name":    {with(gang(config{}), config{"name": "7b"}), "cannot begin the host names"},
		"gang of a dotted run":       {with(gang(config{}), config{"run_name": "a.b"}), "cannot begin the host names"},
		"gang of a long run":         {with(gang(config{}), config{"run_name": strings.Repeat("a", 58)}), "57 characters"},
		"rules not known":            {config{"pod_failure_policy": notKnown{}, "restart_policy": notKnown{}}, ""},
		"codes not known":            {codes(config{"container": notKnown{}, "operator": notKnown{}, "values": notKnown{}}), ""},
		"conditions not known":       {rule(config{"action": "Ignore", "on_pod_conditions": notKnown{}}), ""},
		"mark of mlk as a label key": {config{"labels": config{"mlk.dev/owner": "x"}}, "mlk.dev/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := newWorld(t).Validate(t.Context(), with(config{"name": "x", "image": "x"}, tc.more))
			var got []string
			for _, d := range out.Diagnostics {
				got = append(got, d.Attribute.String()+" "+d.Summary+": "+d.Detail)
				if len(d.Summary) > 90 {
					t.Errorf("summary of %d characters: %s", len(d.Summary), d.Summary)
				}
			}
			switch {
			case tc.want == "" && len(got) > 0:
				t.Errorf("unexpected %q", got)
			case tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)):
				t.Errorf("got %q, want one with %q", got, tc.want)
			}
		})
	}
}
