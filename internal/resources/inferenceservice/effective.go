package inferenceservice

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/podspec"
	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
)

// probeEvery is how often the start-up probe asks, which is the server's default
// period.
const probeEvery = 10 * time.Second

// scrapePrefix begins the annotations by which Prometheus finds metrics.
const scrapePrefix = "prometheus.io/"

// effective is the pod with what other attributes make of it.
func effective(m *Model) podspec.Model { return fill(m).pod }

// filled is a pod into which runtime and model have put what the user left open.
type filled struct {
	pod   podspec.Model
	parts []part
	// worker says what becomes of the pod in the workers of a group; "" for none.
	worker string
	// notes are the annotations by which KServe is told how to run the service.
	notes map[string]string
	// budget is how long the model may take to load.
	budget time.Duration
}

// part is one attribute of the pod, or one entry of it, that was left open.
type part struct {
	// at is where a user sets it, empty for what is put before what the user has
	// there, and key how preset calls it.
	at  path.Path
	key string
	// of is its value in a pod; nil when it has none.
	of func(pod *podspec.Model) any
	// drop takes it out of a pod that shares its maps with others.
	drop func(pod *podspec.Model)
}

// fill makes the pod that a model asks for.
func fill(m *Model) *filled {
	f := &filled{pod: m.Model, budget: budgetOf(m.StartupBudget)}
	if m.byKServe() {
		f.pod.ContainerName, f.notes = types.StringValue(m.Main()), m.servedAnnotations()
	}
	if m.KServe != nil {
		f.startup(m)
		return f // the serving runtime brings the rest
	}
	if s, known := serverOf(m); known {
		f.server(m, &s)
		f.weights(m, &s)
	} else {
		f.weights(m, nil)
	}
	f.startup(m)
	f.worker = m.workerMade(&f.pod)
	return f
}

// server puts in what a runtime brings.
func (f *filled) server(m *Model, s *server) {
	w, number := m.weights(), f.port(portHTTP, s.port)
	listens := map[string]int32{portHTTP: number}
	for name, p := range s.others {
		listens[name] = f.port(name, p)
	}
	single(f, "liveness_probe", func(p *podspec.Model) **podspec.Probe { return &p.LivenessProbe }, ask(s.live, number))
	single(f, "readiness_probe", func(p *podspec.Model) **podspec.Probe { return &p.ReadinessProbe }, ask(s.ready, number))
	if s.metrics != "" {
		for key, value := range map[string]string{"scrape": "true", "path": s.metrics, "port": strconv.Itoa(int(listens[s.metricsPort]))} {
			entry(f, "pod_annotations", scrapePrefix+key, podAnnotations, types.StringValue(value))
		}
	}
	if s.memory != "" && !hasSharedMemory(m) {
		f.pod.SharedMemory = quantity.New(s.memory)
		f.parts = append(f.parts, part{
			at: path.Root("shared_memory"), key: "shared_memory",
			of: func(p *podspec.Model) any {
				if p.SharedMemory.IsNull() {
					return nil
				}
				return p.SharedMemory
			},
			drop: func(p *podspec.Model) { p.SharedMemory = quantity.Null() },
		})
	}
	list(f, "command", func(p *podspec.Model) *[]types.String { return &p.Command }, s.command)
	f.arguments(s.arguments(m, listens))
	for name, value := range s.env {
		if w == nil && strings.Contains(value, "$directory") {
			continue
		}
		f.variable(name, strings.NewReplacer("$port", strconv.Itoa(int(number)), "$directory", w.directory(s)).Replace(value))
	}
}

// hasSharedMemory reports whether the user says what is at /dev/shm.
func hasSharedMemory(m *Model) bool {
	_, taken := m.Volumes["dshm"]
	_, there := mounted(m, "/dev/shm")
	return taken || there || !m.SharedMemory.IsNull()
}

// port puts in a port and returns its number: that which the user gives it.
func (f *filled) port(name string, number int32) int32 {
	if p, ok := f.pod.Ports[name]; ok {
		n, _, _ := p.Listen(name)
		return n
	}
	for key, p := range f.pod.Ports {
		if n, _, _ := p.Listen(key); n == number {
			return number // the user calls it otherwise
		}
	}
	entry(f, "ports", name, func(p *podspec.Model) *map[string]podspec.Port { return &p.Ports }, podspec.Port{Port: types.Int32Value(number)})
	return number
}

// arguments puts them before the user's own.
func (f *filled) arguments(args []string) {
	if len(args) == 0 {
		return
	}
	own := len(f.pod.Args)
	f.pod.Args = append(words(args...), f.pod.Args...)
	if own == 0 {
		f.parts = append(f.parts, listPart("args", func(p *podspec.Model) *[]types.String { return &p.Args }))
		return
	}
	// The list is the user's too: what is before theirs is the preset's, and where
	// theirs cannot be told any more, all of it is theirs.
	made, theirs := words(args...), f.pod.Args[len(args):]
	before := func(p *podspec.Model) ([]types.String, bool) {
		if n := len(p.Args) - len(theirs); n >= 0 && reflect.DeepEqual(p.Args[n:], theirs) {
			return p.Args[:n], true
		}
		return nil, false
	}
	f.parts = append(f.parts, part{
		key: "args",
		of: func(p *podspec.Model) any {
			switch now, told := before(p); {
			case !told:
				return made
			case len(now) > 0:
				return now
			}
			return nil
		},
		drop: func(p *podspec.Model) {
			if _, told := before(p); told {
				p.Args = theirs
			}
		},
	})
}

// variable puts in a variable of the main container, unless the user has it.
func (f *filled) variable(name, value string) {
	if _, taken := f.pod.EnvValueFrom[name]; !taken {
		entry(f, "env", name, func(p *podspec.Model) *map[string]types.String { return &p.Env }, types.StringValue(value))
	}
}

// weights puts in where the model comes from.
func (f *filled) weights(m *Model, s *server) {
	w := m.weights()
	if w == nil {
		return
	}
	var readers []string
	if c := w.container(m, s); c != nil && !hasInit(m, loader) {
		readers = []string{loader}
		if scheme, _ := w.parts(); scheme == schemeGCS && !w.TokenSecret.IsNull() {
			entry(f, "volumes", credentials, podVolumes, w.credentialsVolume())
		}
		f.initContainer(*c)
	}
	key, own := mounted(m, w.directory(s))
	if _, named := m.Volumes[modelVolume]; named && !own {
		key, own = modelVolume, true
	}
	if own {
		f.mount(m, key, w.directory(s), readers)
	} else {
		entry(f, "volumes", modelVolume, podVolumes, w.volume(s, readers...))
	}
	if w.loads(s) {
		if s.cache != "" && w.directory(s) != s.fixed {
			f.variable(s.cache, w.directory(s))
		}
		if t := w.token(); t != nil {
			if _, taken := f.pod.Env["HF_TOKEN"]; !taken {
				entry(f, "env_value_from", "HF_TOKEN", func(p *podspec.Model) *map[string]podspec.EnvValue { return &p.EnvValueFrom }, *t)
			}
		}
	}
}

// mount lets the main container and others see the volume that the user has for
// the model, where it is not there yet.
func (f *filled) mount(m *Model, key, directory string, readers []string) {
	main := types.StringValue(m.Main())
	for _, r := range append([]string{m.Main()}, readers...) {
		v := f.pod.Volumes[key]
		in := types.StringValue(r)
		mine := func(p *podspec.Model) int {
			return slices.IndexFunc(p.Volumes[key].Mounts, func(m podspec.Mount) bool {
				return m.Path.ValueString() == directory && (m.Container.Equal(in) || m.Container.IsNull() && in.Equal(main))
			})
		}
		if mine(&f.pod) >= 0 || in.Equal(main) && !v.MountPath.IsNull() {
			continue
		}
		at := len(v.Mounts)
		more := podspec.Mount{Path: types.StringValue(directory), Container: in}
		if in.Equal(main) {
			more.Container = types.StringNull()
		}
		v.Mounts = append(v.Mounts[:at:at], more)
		f.pod.Volumes = maps.Clone(f.pod.Volumes)
		f.pod.Volumes[key] = v
		f.parts = append(f.parts, part{
			at: path.Root("volumes").AtMapKey(key).AtName("mounts").AtListIndex(at), key: "volumes." + key + ".mounts." + r,
			of: func(p *podspec.Model) any {
				if i := mine(p); i >= 0 {
					return p.Volumes[key].Mounts[i]
				}
				return nil
			},
			drop: func(p *podspec.Model) {
				v, i := p.Volumes[key], mine(p)
				if i < 0 {
					return
				}
				if v.Mounts = append(v.Mounts[:i:i], v.Mounts[i+1:]...); len(v.Mounts) == 0 {
					v.Mounts = nil
				}
				p.Volumes = maps.Clone(p.Volumes)
				p.Volumes[key] = v
			},
		})
	}
}

// mounted finds the volume that the main container of the user's pod has at a
// place.
func mounted(m *Model, at string) (string, bool) {
	main := types.StringValue(m.Main())
	for _, key := range slices.Sorted(maps.Keys(m.Volumes)) {
		v := m.Volumes[key]
		if v.MountPath.ValueString() == at || slices.ContainsFunc(v.Mounts, func(p podspec.Mount) bool {
			return p.Path.ValueString() == at && (p.Container.IsNull() || p.Container.Equal(main))
		}) {
			return key, true
		}
	}
	return "", false
}

func hasInit(m *Model, name string) bool {
	for i := range m.InitContainers {
		if m.InitContainers[i].Name.ValueString() == name {
			return true
		}
	}
	return false
}

// initContainer puts one in after the user's own, so that these keep their places.
func (f *filled) initContainer(c podspec.InitContainer) {
	at := len(f.pod.InitContainers)
	f.pod.InitContainers = append(f.pod.InitContainers[:at:at], c)
	find := func(p *podspec.Model) int {
		for i := range p.InitContainers {
			if p.InitContainers[i].Name.Equal(c.Name) {
				return i
			}
		}
		return -1
	}
	f.parts = append(f.parts, part{
		at: path.Root("init_containers").AtListIndex(at), key: "init_containers." + c.Name.ValueString(),
		of: func(p *podspec.Model) any {
			if i := find(p); i >= 0 {
				return p.InitContainers[i]
			}
			return nil
		},
		drop: func(p *podspec.Model) {
			if i := find(p); i >= 0 {
				if p.InitContainers = append(p.InitContainers[:i:i], p.InitContainers[i+1:]...); len(p.InitContainers) == 0 {
					p.InitContainers = nil
				}
			}
		},
	})
}

// startup puts in the start-up probe that the budget makes.
func (f *filled) startup(m *Model) {
	s, known := serverOf(m)
	if m.StartupProbe != nil {
		return
	}
	if f.budget == 0 && known {
		f.budget = s.budget
		f.parts = append(f.parts, part{
			at: path.Root("startup_probe"), key: "startup_budget",
			of: func(p *podspec.Model) any {
				switch made := startupProbe(&f.pod, f.budget); {
				case reflect.DeepEqual(p.StartupProbe, made):
					return types.StringValue(short(f.budget))
				case p.StartupProbe == nil:
					return nil
				}
				return p.StartupProbe
			},
			drop: func(p *podspec.Model) { p.StartupProbe = nil },
		})
	}
	f.pod.StartupProbe = startupProbe(&f.pod, f.budget)
}

// short writes whole minutes as people do.
func short(d time.Duration) string { return strings.TrimSuffix(d.String(), "0s") }

// startupProbe asks what tells whether the server is ready, for as long as it
// may take to be; nil without a budget.
func startupProbe(pod *podspec.Model, limit time.Duration) *podspec.Probe {
	of := pod.ReadinessProbe
	if of == nil {
		of = pod.LivenessProbe
	}
	if of == nil || limit == 0 {
		return nil
	}
	tries := (limit + probeEvery - 1) / probeEvery
	p := &podspec.Probe{Exec: of.Exec, HTTPGet: of.HTTPGet, TCPSocket: of.TCPSocket, GRPC: of.GRPC, TimeoutSeconds: of.TimeoutSeconds}
	if tries != serverTries {
		p.FailureThreshold = types.Int32Value(int32(tries))
	}
	return p
}

// serverTries is the server's default for how often a probe may fail.
const serverTries = 3

// budgetOf is a duration; 0 for null, and for text that is none, which is refused
// when the configuration is read.
func budgetOf(v types.String) time.Duration {
	d, err := time.ParseDuration(v.ValueString())
	if err != nil {
		return 0
	}
	return d
}

// ask is a probe that gets a path. Its port is a number: the user may call it
// anything.
func ask(at string, number int32) *podspec.Probe {
	return &podspec.Probe{HTTPGet: &podspec.HTTPGet{Path: types.StringValue(at), Port: types.StringValue(strconv.Itoa(int(number)))}}
}

func podAnnotations(p *podspec.Model) *map[string]types.String { return &p.PodAnnotations }
func podVolumes(p *podspec.Model) *map[string]podspec.Volume   { return &p.Volumes }

// entry puts in an entry of a map, unless there is one.
func entry[V any](f *filled, attribute, key string, in func(*podspec.Model) *map[string]V, v V) {
	m := in(&f.pod)
	if _, taken := (*m)[key]; taken {
		return
	}
	with := maps.Clone(*m)
	if with == nil {
		with = map[string]V{}
	}
	with[key] = v
	*m = with
	f.parts = append(f.parts, part{
		at: path.Root(attribute).AtMapKey(key), key: attribute + "." + key,
		of: func(p *podspec.Model) any {
			if v, ok := (*in(p))[key]; ok {
				return v
			}
			return nil
		},
		drop: func(p *podspec.Model) {
			left := maps.Clone(*in(p))
			delete(left, key)
			if len(left) == 0 {
				left = nil
			}
			*in(p) = left
		},
	})
}

// single puts in what a pointer leads to, unless it leads somewhere.
func single[V any](f *filled, attribute string, in func(*podspec.Model) **V, v *V) {
	if *in(&f.pod) != nil {
		return
	}
	*in(&f.pod) = v
	f.parts = append(f.parts, part{
		at: path.Root(attribute), key: attribute,
		of: func(p *podspec.Model) any {
			if v := *in(p); v != nil {
				return v
			}
			return nil
		},
		drop: func(p *podspec.Model) { *in(p) = nil },
	})
}

// list puts in a list, unless there is one.
func list(f *filled, attribute string, in func(*podspec.Model) *[]types.String, v []string) {
	if *in(&f.pod) != nil || len(v) == 0 {
		return
	}
	*in(&f.pod) = words(v...)
	f.parts = append(f.parts, listPart(attribute, in))
}

func listPart(attribute string, in func(*podspec.Model) *[]types.String) part {
	return part{
		at: path.Root(attribute), key: attribute,
		of: func(p *podspec.Model) any {
			if v := *in(p); len(v) > 0 {
				return v
			}
			return nil
		},
		drop: func(p *podspec.Model) { *in(p) = nil },
	}
}
