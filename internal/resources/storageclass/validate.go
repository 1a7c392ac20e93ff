package storageclass

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/mlkube/terraform-provider-mlk/internal/diags"
)

// driverParameters checks the parameters against what is known of the driver.
type driverParameters struct{}

func (driverParameters) Description(context.Context) string {
	return "parameters of known drivers must not contradict each other"
}

func (v driverParameters) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (driverParameters) ValidateMap(ctx context.Context, req validator.MapRequest, resp *validator.MapResponse) {
	var provisioner, binding types.String
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, provisionerPath, &provisioner)...)
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, bindingPath, &binding)...)
	if provisioner.IsNull() || provisioner.IsUnknown() || req.ConfigValue.IsUnknown() {
		return
	}
	set := map[string]value{}
	for k, e := range req.ConfigValue.Elements() {
		if s, ok := e.(types.String); ok && !s.IsNull() {
			set[k] = value{text: s.ValueString(), known: !s.IsUnknown()}
		}
	}
	errors, warnings := check(provisioner.ValueString(), set, binding)
	for _, m := range errors {
		resp.Diagnostics.Append(m.Error())
	}
	for _, m := range warnings {
		resp.Diagnostics.Append(m.Warning())
	}
}

// check is the judgement over a driver's parameters; nothing is known of most drivers.
func check(provisioner string, set map[string]value, binding types.String) (errors, warnings []diags.Message) {
	d := driverOf(provisioner)
	if d == nil {
		return nil, nil
	}
	p := parameters{values: set, exact: d.exact}
	if d.contradictions != nil {
		for _, c := range d.contradictions(p) {
			key, _, _ := p.find(c.key)
			errors = append(errors, diags.Message{
				Summary: fmt.Sprintf("%s makes no volume with this %s", provisioner, c.key),
				Why:     c.why, Do: c.do, At: parametersPath.AtMapKey(key),
			})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if !d.knows(key) {
			warnings = append(warnings, d.stranger(provisioner, key))
		} else if m, odd := d.oddity(provisioner, p, key); odd {
			warnings = append(warnings, m)
		}
	}
	for _, group := range d.needs {
		if !slices.ContainsFunc(group, p.has) {
			m := diags.Message{
				Summary:  fmt.Sprintf("%s needs parameter %s", provisioner, group[0]),
				Happened: "The class can be made without it, but claims of the class would stay Pending.",
				At:       parametersPath,
			}
			if others := group[1:]; len(others) > 0 {
				m.Do = fmt.Sprintf("Set %s, or instead of it %s.", group[0], strings.Join(others, " or "))
			}
			warnings = append(warnings, m)
		}
	}
	if provisioner == "rancher.io/local-path" && !binding.IsUnknown() && meaning(binding, defaultBinding) == defaultBinding {
		warnings = append(warnings, diags.Message{
			Summary:  "rancher.io/local-path needs to know the pod's node",
			Happened: "With volume_binding_mode Immediate claims stay Pending, unless the provisioner has a shared file system.",
			Do:       `Set volume_binding_mode = "WaitForFirstConsumer".`,
			At:       bindingPath,
		})
	}
	return errors, warnings
}

// stranger is said about a parameter the driver is not known to take.
func (d *driver) stranger(provisioner, key string) diags.Message {
	m := diags.Message{
		Summary:  fmt.Sprintf("%s is not known to take parameter %q", provisioner, key),
		Happened: "Drivers refuse or ignore parameters they do not know; claims of the class could stay Pending. A driver newer than this provider may well take it.",
		At:       parametersPath.AtMapKey(key),
	}
	if d.hint != nil {
		m.Why = d.hint(key)
	}
	if c := d.closest(key); c != "" && m.Why == "" {
		m.Do = fmt.Sprintf("Did you mean %q?", c)
	}
	return m
}

// oddity is said about a value the driver is not known to take.
func (d *driver) oddity(provisioner string, p parameters, key string) (diags.Message, bool) {
	v := p.values[key]
	if !v.known {
		return diags.Message{}, false
	}
	m := diags.Message{
		Summary: fmt.Sprintf("%s is not known to take %s = %q", provisioner, key, v.text),
		At:      parametersPath.AtMapKey(key),
	}
	for name, choice := range d.values {
		same := func(c string) bool { return strings.EqualFold(c, v.text) }
		if (name == key || !d.exact && strings.EqualFold(name, key)) && !slices.ContainsFunc(choice, same) {
			m.Happened = "Known values: " + strings.Join(choice, ", ") + "."
			return m, true
		}
	}
	for _, name := range d.integers {
		if (name == key || !d.exact && strings.EqualFold(name, key)) && !isInteger(v.text) {
			m.Happened = "It takes a whole number."
			return m, true
		}
	}
	return diags.Message{}, false
}

// notAlsoAnnotated refuses saying the same twice, perhaps differently.
type notAlsoAnnotated struct{}

func (notAlsoAnnotated) Description(context.Context) string {
	return "annotations must not say whether the class is the default"
}

func (v notAlsoAnnotated) MarkdownDescription(ctx context.Context) string { return v.Description(ctx) }

func (notAlsoAnnotated) ValidateBool(ctx context.Context, req validator.BoolRequest, resp *validator.BoolResponse) {
	if req.ConfigValue.IsNull() {
		return
	}
	var annotations types.Map
	resp.Diagnostics.Append(req.Config.GetAttribute(ctx, annotationsPath, &annotations)...)
	if _, ok := annotations.Elements()[defaultAnnotation]; ok {
		resp.Diagnostics.Append(diags.Message{
			Summary: "Both default and annotations say whether this is the default class",
			Do:      fmt.Sprintf("Remove %s from annotations, or remove default.", defaultAnnotation),
			At:      req.Path,
		}.Error())
	}
}
