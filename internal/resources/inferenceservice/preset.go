package inferenceservice

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/types"
)

// custom is the runtime that brings nothing.
const custom = "custom"

// server is what is known of one model server: how its images are told what to do,
// and how they tell how they are.
type server struct {
	// command starts it; nil where the image's own does.
	command []string
	// port is where it listens, by the name of http, and others are its further
	// ports by name, changed by the flags --<name>-port.
	port   int32
	others map[string]int32
	// portFlag tells it another port; flagged reports that it always has to be told.
	portFlag string
	flagged  bool
	// live and ready are the paths that tell whether it works and whether it serves.
	live, ready string
	// metrics is the path of its metrics, "" for none, at the port of that name.
	metrics, metricsPort string
	// memory is how much shared memory its processes need; "" for none.
	memory string
	// budget is how long a model of some tens of GB takes to load, with a margin.
	budget time.Duration
	// model names the model, after those flags that name it in a user's arguments;
	// positional where it stands without a flag.
	model      []string
	positional bool
	// revision, served and parallel are the flags for the revision of a model of a
	// hub, the name that requests call it by, and the number of GPUs it is split over.
	revision         string
	served, parallel []string
	// always are further arguments.
	always []string
	// hub reports whether it loads models of Hugging Face's hub itself, into the
	// directory that the variable cache names; its image has it at fixed.
	hub          bool
	cache, fixed string
	// env are variables, with the port and the directory of the model put in.
	env map[string]string
}

// Where things are unless somebody says otherwise.
const (
	modelVolume    = "model"
	modelDirectory = "/models"
	hubDirectory   = "/data" // what the images of TGI and TEI are built with
	loader         = "load-model"
)

// The runtimes that need a word of their own.
const (
	ollama = "ollama"
	vllm   = "vllm"
	sglang = "sglang"
)

// servers are the runtimes with a preset.
var servers = map[string]server{
	vllm: {
		command: []string{"vllm", "serve"}, port: 8000, portFlag: "--port",
		live: "/health", ready: "/health", metrics: "/metrics", metricsPort: portHTTP, memory: "2Gi", budget: 30 * time.Minute,
		model: []string{"--model"}, positional: true, revision: "--revision", served: []string{"--served-model-name"},
		parallel: []string{"--tensor-parallel-size", "-tp"}, hub: true, cache: "HF_HOME",
	},
	sglang: { // listens at 127.0.0.1, and counts nothing, unless told
		command: []string{"python3", "-m", "sglang.launch_server"}, port: 30000, portFlag: "--port", flagged: true,
		live: "/health", ready: "/health", metrics: "/metrics", metricsPort: portHTTP, memory: "32Gi", budget: 30 * time.Minute,
		model: []string{"--model-path", "--model"}, revision: "--revision", served: []string{"--served-model-name"},
		parallel: []string{"--tensor-parallel-size", "--tp-size", "--tp"}, always: []string{"--host=0.0.0.0", "--enable-metrics"}, hub: true, cache: "HF_HOME",
	},
	"tgi": { // its image listens at 80 and the bare program at 3000; HOSTNAME, which every pod has, would be where
		port: 80, portFlag: "--port", flagged: true,
		live: "/health", ready: "/health", metrics: "/metrics", metricsPort: portHTTP, memory: "1Gi", budget: 30 * time.Minute,
		model: []string{"--model-id"}, revision: "--revision", parallel: []string{"--num-shard"}, always: []string{"--hostname=0.0.0.0"}, hub: true, cache: "HUGGINGFACE_HUB_CACHE", fixed: hubDirectory,
	},
	"tei": {
		port: 80, portFlag: "--port", flagged: true,
		live: "/health", ready: "/health", metrics: "/metrics", metricsPort: portHTTP, budget: 10 * time.Minute,
		model: []string{"--model-id"}, revision: "--revision", always: []string{"--hostname=0.0.0.0"}, hub: true, cache: "HUGGINGFACE_HUB_CACHE", fixed: hubDirectory,
	},
	"triton": {
		command: []string{"tritonserver"}, port: 8000, others: map[string]int32{"grpc": 8001, "metrics": 8002}, portFlag: "--http-port",
		live: "/v2/health/live", ready: "/v2/health/ready", metrics: "/metrics", metricsPort: "metrics", memory: "2Gi", budget: 10 * time.Minute,
		model: []string{"--model-repository", "--model-store"},
	},
	ollama: {
		port: 11434, live: "/", ready: "/", budget: 10 * time.Minute,
		env: map[string]string{"OLLAMA_HOST": "0.0.0.0:$port", "OLLAMA_MODELS": "$directory"},
	},
}

// serverOf is what is known of the runtime of a model.
func serverOf(m *Model) (server, bool) {
	s, ok := servers[m.Runtime.ValueString()]
	return s, ok
}

// splitOver is the number of GPUs one model is split over; 0 for one that is not.
func splitOver(m *Model) int64 {
	g := m.GPU
	if g == nil || g.Count.ValueInt64() < 2 || !g.MIGProfile.IsNull() || g.Shared.ValueBool() {
		return 0 // parts of GPUs do not talk to each other
	}
	return g.Count.ValueInt64()
}

// arguments are those the server is started with, save what the user's own say.
func (s *server) arguments(m *Model, listens map[string]int32) []string {
	w := m.weights()
	var out []string
	say := func(value string, flags ...string) {
		if value != "" && len(flags) > 0 && !told(m.Args, flags) {
			out = append(out, flags[0]+"="+value)
		}
	}
	if name := w.argument(s); name != "" && !told(m.Args, s.model) {
		switch {
		case !s.positional:
			say(name, s.model...)
		case len(m.Args) == 0 || strings.HasPrefix(m.Args[0].ValueString(), "-"):
			out = append(out, name)
		}
	}
	if s.revision != "" {
		say(w.revision(), s.revision)
	}
	say(w.servedAs(), s.served...)
	for _, a := range s.always {
		if flag, _, _ := strings.Cut(a, "="); !told(m.Args, []string{flag}) {
			out = append(out, a)
		}
	}
	if n := listens[portHTTP]; s.portFlag != "" && (s.flagged || n != s.port) {
		say(strconv.Itoa(int(n)), s.portFlag)
	}
	for _, name := range slices.Sorted(maps.Keys(s.others)) {
		if n := listens[name]; n != s.others[name] {
			say(strconv.Itoa(int(n)), "--"+name+"-port")
		}
	}
	if m.inGroups() {
		for _, a := range m.across(s) {
			say(a.value, a.flags...)
		}
	} else if n := splitOver(m); n > 0 {
		say(strconv.FormatInt(n, 10), s.parallel...)
	}
	return out
}

// told reports whether one of the flags stands in the arguments.
func told(args []types.String, flags []string) bool {
	for _, a := range args {
		for _, f := range flags {
			if v := a.ValueString(); v == f || strings.HasPrefix(v, f+"=") {
				return true
			}
		}
	}
	return false
}
