package podspec

import (
	"context"
	"fmt"
	"strconv"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/tfsdk"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/mlkube/terraform-provider-mlk/internal/blocks/quantity"
	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// declared is the pod as the configuration writes it, with what is unknown in it.
type declared struct {
	name         types.String
	sharedMemory types.String
	gpu          types.Object
	volumes      types.Map
	init         types.List
	extra        types.Map
	claims       types.Map
	containers   []declaredContainer
	ds           diag.Diagnostics
}

// declaredContainer is one container as the configuration writes it.
type declaredContainer struct {
	// name is "" when it is unknown.
	name string
	// prefix is the path of its attributes.
	prefix path.Path
	main   bool
	// at is the attribute that gives the name.
	at   path.Path
	init bool

	attributes map[string]attr.Value
}

// Validate checks what the configuration alone decides and no single attribute
// can: names and mounts across containers and volumes. It says nothing about
// what is unknown.
func Validate(ctx context.Context, c tfsdk.Config) diag.Diagnostics {
	d, ds := declare(ctx, c)
	if ds.HasError() {
		return ds
	}
	d.checkNames()
	d.checkMounts()
	for i := range d.containers {
		d.checkEnv(&d.containers[i])
		d.checkPorts(&d.containers[i])
		d.checkClaims(&d.containers[i])
		d.checkInit(&d.containers[i])
	}
	d.checkGPU()
	return d.ds
}

func declare(ctx context.Context, c tfsdk.Config) (*declared, diag.Diagnostics) {
	d := &declared{}
	var ds diag.Diagnostics
	var all map[string]tftypes.Value
	if err := c.Raw.As(&all); err != nil {
		return d, nil // nothing is configured
	}
	// Decoding is dear and most attributes are null, which the zero values are.
	read := func(name string, into any) {
		if v, ok := all[name]; ok && !v.IsNull() {
			ds.Append(c.GetAttribute(ctx, path.Root(name), into)...)
		}
	}
	read("container_name", &d.name)
	read("gpu", &d.gpu)
	read("volumes", &d.volumes)
	read("init_containers", &d.init)
	read("extra_containers", &d.extra)
	read("devices", &d.claims)
	var size quantity.Value
	read("shared_memory", &size)
	d.sharedMemory = size.StringValue

	var env, from, ports types.Map
	var resources types.Object
	read("env", &env)
	read("env_value_from", &from)
	read("ports", &ports)
	read("resources", &resources)
	main := declaredContainer{main: true, prefix: path.Empty(), at: path.Root("container_name"), attributes: map[string]attr.Value{
		"env": env, "env_value_from": from, "ports": ports, "resources": resources,
	}}
	switch {
	case d.name.IsNull():
		main.name = DefaultContainer
	case !d.name.IsUnknown():
		main.name = d.name.ValueString()
	}
	d.containers = append(d.containers, main)
	extra := d.extra.Elements()
	for _, name := range sortedKeys(extra) {
		if o, ok := extra[name].(types.Object); ok {
			at := path.Root("extra_containers").AtMapKey(name)
			d.containers = append(d.containers, declaredContainer{name: name, prefix: at, at: at, attributes: o.Attributes()})
		}
	}
	for i, e := range d.init.Elements() {
		if o, ok := e.(types.Object); ok {
			at := path.Root("init_containers").AtListIndex(i)
			name, _ := known(o.Attributes()["name"])
			d.containers = append(d.containers, declaredContainer{name: name, prefix: at, at: at.AtName("name"), init: true, attributes: o.Attributes()})
		}
	}
	return d, ds
}

// named reports whether the names of all containers are known.
func (d *declared) named() bool {
	for i := range d.containers {
		if d.containers[i].name == "" {
			return false
		}
	}
	return !d.init.IsUnknown() && !d.extra.IsUnknown()
}

func (d *declared) checkNames() {
	seen := map[string]bool{}
	for _, c := range d.containers {
		switch {
		case c.name == "":
		case seen[c.name]:
			d.ds.Append(diags.Message{
				Summary: fmt.Sprintf("Two containers are called %q", c.name),
				Why:     "Main container, init_containers and extra_containers are containers of one pod, and their names must differ.",
				Do:      fmt.Sprintf("Rename one of them. The main container is called %q unless container_name says otherwise.", DefaultContainer),
				At:      c.at,
			}.Error())
		case c.name == DefaultContainer && !c.main && !c.init && d.containers[0].name != "":
			d.ds.Append(diags.Message{
				Summary: fmt.Sprintf("An extra container cannot be called %q", DefaultContainer),
				Why:     "mlk takes the container of that name for the main one when it reads the pod back.",
				Do:      "Rename it, or make it the main container.", At: c.at,
			}.Error())
		}
		seen[c.name] = true
	}
}

// place is a mount of the configuration.
type place struct {
	container, path string
	at              path.Path
}

// places are the mounts and devices whose container and path are known.
func (d *declared) places() []place {
	var out []place
	main := d.containers[0].name
	add := func(container string, v attr.Value, at path.Path) {
		if p, ok := known(v); ok && container != "" {
			out = append(out, place{container, p, at})
		}
	}
	if !d.sharedMemory.IsNull() && main != "" {
		out = append(out, place{main, sharedMemoryPath, path.Root("shared_memory")})
	}
	volumes := d.volumes.Elements()
	for _, name := range sortedKeys(volumes) {
		o, ok := volumes[name].(types.Object)
		if !ok {
			continue
		}
		at, a := path.Root("volumes").AtMapKey(name), o.Attributes()
		add(main, a["mount_path"], at.AtName("mount_path"))
		add(main, a["device_path"], at.AtName("device_path"))
		mounts, ok := a["mounts"].(types.List)
		if !ok {
			continue
		}
		for i, e := range mounts.Elements() {
			m, ok := e.(types.Object)
			if !ok {
				continue
			}
			container := main
			if v := m.Attributes()["container"]; !isNull(v) {
				container, _ = known(v)
			}
			add(container, m.Attributes()["path"], at.AtName("mounts").AtListIndex(i).AtName("path"))
		}
	}
	return out
}

func (d *declared) checkMounts() {
	if _, ok := d.volumes.Elements()[sharedMemoryVolume]; ok && isSet(d.sharedMemory) {
		d.ds.Append(diags.Message{
			Summary: fmt.Sprintf("shared_memory and the volume %q exclude each other", sharedMemoryVolume),
			Why:     "shared_memory makes a volume of that name.", Do: "Keep one of them, or rename the volume.",
			At: path.Root("volumes").AtMapKey(sharedMemoryVolume),
		}.Error())
	}
	seen := map[[2]string]bool{}
	containers := map[string]bool{}
	for _, c := range d.containers {
		containers[c.name] = true
	}
	for _, p := range d.places() {
		if !containers[p.container] && d.named() {
			d.ds.Append(noContainer(p.container, p.at.ParentPath().AtName("container")))
			continue
		}
		key := [2]string{p.container, p.path}
		if seen[key] {
			d.ds.Append(diags.Message{
				Summary: fmt.Sprintf("Container %q mounts two volumes at %s", p.container, p.path),
				Do:      "Give one of them another path.", At: p.at,
			}.Error())
		}
		seen[key] = true
	}
}

// noContainer says that a mount is in a container that does not exist.
func noContainer(name string, at path.Path) diag.Diagnostic {
	return diags.Message{
		Summary: fmt.Sprintf("A volume is mounted in container %s, which does not exist", shown(name)),
		Do:      "Name one of init_containers or extra_containers, or leave container out for the main container.", At: at,
	}.Error()
}

func (d *declared) checkEnv(c *declaredContainer) {
	env, ok := c.attributes["env"].(types.Map)
	from, okFrom := c.attributes["env_value_from"].(types.Map)
	if !ok || !okFrom {
		return
	}
	for _, name := range sortedKeys(from.Elements()) {
		if v, both := env.Elements()[name]; both && isSet(v) {
			d.ds.Append(diags.Message{
				Summary: fmt.Sprintf("Environment variable %s is in env and in env_value_from", shown(name)),
				Do:      "Keep one of them.", At: c.prefix.AtName("env_value_from").AtMapKey(name),
			}.Error())
		}
	}
}

func (d *declared) checkPorts(c *declaredContainer) {
	ports, ok := c.attributes["ports"].(types.Map)
	if !ok {
		return
	}
	seen := map[string]string{}
	for _, key := range sortedKeys(ports.Elements()) {
		o, ok := ports.Elements()[key].(types.Object)
		if !ok || !isSet(o) {
			continue
		}
		_, number, protocol := portKey(key)
		a, at := o.Attributes(), c.prefix.AtName("ports").AtMapKey(key)
		if isUnknown(a["port"]) || isUnknown(a["protocol"]) {
			continue
		}
		if n, ok := a["port"].(types.Int32); ok && !n.IsNull() {
			number = n.ValueInt32()
		}
		if p, ok := known(a["protocol"]); ok {
			protocol = p
		}
		if number == 0 {
			d.ds.Append(diags.Message{Summary: fmt.Sprintf("Port %s has no number", shown(key)), Do: "Set port to the number the container listens on.", At: at}.Error())
			continue
		}
		if protocol == "" {
			protocol = "TCP"
		}
		id := strconv.Itoa(int(number)) + "/" + protocol
		if other, ok := seen[id]; ok {
			d.ds.Append(diags.Message{
				Summary: fmt.Sprintf("Ports %s and %s are the same", shown(other), shown(key)), Happened: "Both are " + id + ".", Do: "Keep one of them.", At: at,
			}.Error())
		}
		seen[id] = key
	}
}

// isUnknown reports whether an attribute is there and unknown.
func isUnknown(v attr.Value) bool { return v != nil && v.IsUnknown() }

func (d *declared) checkClaims(c *declaredContainer) {
	r, ok := c.attributes["resources"].(types.Object)
	if !ok || d.claims.IsUnknown() {
		return
	}
	used, ok := r.Attributes()["claims"].(types.Map)
	if !ok {
		return
	}
	for _, name := range sortedKeys(used.Elements()) {
		if _, ok := d.claims.Elements()[name]; !ok {
			d.ds.Append(diags.Message{
				Summary: fmt.Sprintf("There is no claim %s in devices", shown(name)), Do: "Add it to devices.",
				At: c.prefix.AtName("resources").AtName("claims").AtMapKey(name),
			}.Error())
		}
	}
}

// checkInit refuses what only containers that keep running can have.
func (d *declared) checkInit(c *declaredContainer) {
	if !c.init || isUnknown(c.attributes["restart_policy"]) {
		return
	}
	if policy, _ := known(c.attributes["restart_policy"]); policy == "Always" {
		return
	}
	for _, name := range []string{"startup_probe", "liveness_probe", "readiness_probe", "hooks"} {
		if isSet(c.attributes[name]) {
			d.ds.Append(diags.Message{
				Summary: fmt.Sprintf("An init container that runs to its end has no %s", name),
				Do:      "Set restart_policy = \"Always\" to make it a sidecar.", At: c.prefix.AtName(name),
			}.Error())
		}
	}
}

// checkGPU refuses a resource that gpu and resources both name with different counts.
func (d *declared) checkGPU() {
	a := d.gpu.Attributes()
	count, ok := a["count"].(types.Int64)
	if !ok || !isSet(count) || count.ValueInt64() == 0 || isUnknown(a["resource"]) || isUnknown(a["mig_profile"]) || isUnknown(a["shared"]) {
		return
	}
	g := GPU{}
	g.Resource, _ = a["resource"].(types.String)
	g.MIGProfile, _ = a["mig_profile"].(types.String)
	g.Shared, _ = a["shared"].(types.Bool)
	resources, ok := d.containers[0].attributes["resources"].(types.Object)
	if !ok {
		return
	}
	for _, list := range []string{"limits", "requests"} {
		have, ok := quantities(resources.Attributes()[list])[g.resource()]
		if !ok || have.CmpInt64(count.ValueInt64()) == 0 {
			continue
		}
		d.ds.Append(twice(g.resource(), count.ValueInt64(), have.String(), path.Root("resources").AtName(list).AtMapKey(g.resource())))
	}
}

// twice says that gpu and resources ask for different numbers of one resource.
func twice(resource string, count int64, have string, at path.Path) diag.Diagnostic {
	return diags.Message{
		Summary:  fmt.Sprintf("%s is asked for twice", resource),
		Happened: fmt.Sprintf("gpu.count is %d, and resources says %s.", count, have),
		Do:       "Leave the one in resources out: gpu.count sets limit and request.", At: at,
	}.Error()
}
