package narrow

import (
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// usersVolumes has a value of each kind, in the types HCL gives them.
func usersVolumes() tftypes.Value {
	return object(map[string]tftypes.Value{
		"data": object(map[string]tftypes.Value{
			"path":      str("/data"),
			"read_only": str("true"), // text where a boolean is meant
			"mode":      str("420"),
			"options":   object(map[string]tftypes.Value{"retries": number(3), "soft": tftypes.NewValue(tftypes.Bool, true)}),
			"codes":     tuple(number(1), number(2), number(1)),
			"anything":  tuple(str("x")),
			"mounts":    tuple(object(map[string]tftypes.Value{"at": str("/a")}), object(map[string]tftypes.Value{"at": str("/b"), "sub_path": str("s")})),
			"secret":    tftypes.NewValue(tftypes.DynamicPseudoType, nil),
		}),
	})
}

// TestSpellingIsKept: what the provider leaves alone comes back as the user
// wrote it, byte by byte, from a read, a plan and an apply.
func TestSpellingIsKept(t *testing.T) {
	t.Parallel()
	f := testForm()
	user := onWire(t, f.narrow, written(f, usersVolumes()))
	null := onWire(t, f.narrow, tftypes.NewValue(f.narrow, nil))
	provider := &inner{state: func(in tftypes.Value) tftypes.Value { return with(t, in, "name", str("other")) }}
	s := Serve(provider)

	read, err := s.ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: "mlk_thing", CurrentState: user})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := s.PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{TypeName: "mlk_thing", PriorState: null, ProposedNewState: user, Config: user})
	if err != nil {
		t.Fatal(err)
	}
	apply, err := s.ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{TypeName: "mlk_thing", PriorState: null, PlannedState: user, Config: user})
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]*tfprotov6.DynamicValue{"read": read.NewState, "plan": plan.PlannedState, "apply": apply.NewState} {
		v := offWire(t, f.narrow, got)
		if !attribute(t, v, "name").Equal(str("other")) {
			t.Errorf("%s: what the provider changed was lost: %s", what, v)
		}
		if want := usersVolumes(); !attribute(t, v, "volumes").Equal(want) {
			t.Errorf("%s: volumes are\n%s, want as written\n%s", what, attribute(t, v, "volumes"), want)
		}
	}
	if at := plan.RequiresReplace[0].String(); at != `AttributeName("volumes")` {
		t.Errorf("replacement is required by %s, which Terraform looks for in the user's spelling", at)
	}
}

// TestProviderSeesTheWholeType: as if the attribute had never been dynamic.
func TestProviderSeesTheWholeType(t *testing.T) {
	t.Parallel()
	f := testForm()
	provider := &inner{}
	user := onWire(t, f.narrow, written(f, usersVolumes()))
	resp, err := Serve(provider).ValidateResourceConfig(t.Context(), &tfprotov6.ValidateResourceConfigRequest{TypeName: "mlk_thing", Config: user})
	if err != nil || len(resp.Diagnostics) > 0 {
		t.Fatal(err, resp.Diagnostics)
	}
	data := attribute(t, attribute(t, provider.got, "volumes"), "data")
	for name, want := range map[string]tftypes.Value{
		"path":      str("/data"),
		"read_only": tftypes.NewValue(tftypes.Bool, true),
		"mode":      number(420),
		"options":   tftypes.NewValue(tftypes.Map{ElementType: tftypes.String}, map[string]tftypes.Value{"retries": str("3"), "soft": str("true")}),
		"codes":     tftypes.NewValue(tftypes.Set{ElementType: tftypes.Number}, []tftypes.Value{number(1), number(2)}),
		"anything":  tuple(str("x")),
		"pad_a":     tftypes.NewValue(tftypes.String, nil),
	} {
		if got := attribute(t, data, name); !got.Equal(want) {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if !attribute(t, data, "secret").IsNull() {
		t.Error("a null object is no longer null")
	}
}

// TestDriftIsWrittenShort: what the cluster has instead is written without the
// attributes that nobody set, and the rest stays as the user wrote it.
func TestDriftIsWrittenShort(t *testing.T) {
	t.Parallel()
	f := testForm()
	provider := &inner{state: func(in tftypes.Value) tftypes.Value {
		data := attribute(t, attribute(t, in, "volumes"), "data")
		return with(t, in, "volumes", with(t, attribute(t, in, "volumes"), "data", with(t, data, "path", str("/elsewhere"))))
	}}
	user := onWire(t, f.narrow, written(f, usersVolumes()))
	resp, err := Serve(provider).ReadResource(t.Context(), &tfprotov6.ReadResourceRequest{TypeName: "mlk_thing", CurrentState: user})
	if err != nil {
		t.Fatal(err)
	}
	got := attribute(t, attribute(t, offWire(t, f.narrow, resp.NewState), "volumes"), "data")
	var have map[string]tftypes.Value
	if err := got.As(&have); err != nil {
		t.Fatal(err)
	}
	if len(have) != 8 {
		t.Errorf("%d attributes are recorded, want the 8 that were written: %s", len(have), got)
	}
	if !have["path"].Equal(str("/elsewhere")) || !have["mode"].Equal(str("420")) {
		t.Errorf("got %s, want the path that drifted and the mode as it was written", got)
	}
}

// TestPlanTakesOneSpelling: where the provider plans the state's words for a
// part, Terraform wants the whole as the configuration says, or as the state.
func TestPlanTakesOneSpelling(t *testing.T) {
	t.Parallel()
	f := testForm()
	volume := func(path, mode string) tftypes.Value {
		return object(map[string]tftypes.Value{"data": object(map[string]tftypes.Value{"path": str(path), "pad_a": str(mode)})})
	}
	prior, config := written(f, volume("/old", "1000m")), written(f, volume("/new", "1"))
	for name, c := range map[string]struct {
		planned tftypes.Value
		want    tftypes.Value
	}{
		"state":     {volume("/old", "1000m"), volume("/old", "1000m")},
		"config":    {volume("/new", "1"), volume("/new", "1")},
		"a mixture": {volume("/new", "1000m"), volume("/new", "1")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w widener
			planned := w.attribute(c.planned, f.parts["volumes"].wide, f.parts["volumes"].typ, root())
			provider := &inner{state: func(in tftypes.Value) tftypes.Value { return with(t, in, "volumes", planned) }}
			resp, err := Serve(provider).PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{
				TypeName: "mlk_thing", PriorState: onWire(t, f.narrow, prior), ProposedNewState: onWire(t, f.narrow, config), Config: onWire(t, f.narrow, config),
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := attribute(t, offWire(t, f.narrow, resp.PlannedState), "volumes"); !got.Equal(c.want) {
				t.Errorf("planned %s, want %s", got, c.want)
			}
		})
	}
}

// TestUnknownStaysUnknown: as a whole, and inside.
func TestUnknownStaysUnknown(t *testing.T) {
	t.Parallel()
	f := testForm()
	for name, volumes := range map[string]tftypes.Value{
		"whole":   tftypes.NewValue(tftypes.DynamicPseudoType, tftypes.UnknownValue),
		"element": object(map[string]tftypes.Value{"data": tftypes.NewValue(tftypes.DynamicPseudoType, tftypes.UnknownValue)}),
		"inside":  object(map[string]tftypes.Value{"data": object(map[string]tftypes.Value{"path": tftypes.NewValue(tftypes.String, tftypes.UnknownValue)})}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider := &inner{}
			user := onWire(t, f.narrow, written(f, volumes))
			null := onWire(t, f.narrow, tftypes.NewValue(f.narrow, nil))
			resp, err := Serve(provider).PlanResourceChange(t.Context(), &tfprotov6.PlanResourceChangeRequest{TypeName: "mlk_thing", PriorState: null, ProposedNewState: user, Config: user})
			if err != nil {
				t.Fatal(err)
			}
			if len(resp.Diagnostics) > 0 || attribute(t, provider.got, "volumes").IsFullyKnown() {
				t.Errorf("the provider got %s, %v", provider.got, resp.Diagnostics)
			}
			if got := attribute(t, offWire(t, f.narrow, resp.PlannedState), "volumes"); !got.Equal(volumes) {
				t.Errorf("planned %s, want %s", got, volumes)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	f := testForm()
	volume := func(more map[string]tftypes.Value) tftypes.Value {
		all := map[string]tftypes.Value{"path": str("/data")}
		for k, v := range more {
			all[k] = v
		}
		return object(map[string]tftypes.Value{"data": object(all)})
	}
	for name, c := range map[string]struct {
		volumes         tftypes.Value
		summary, detail string
	}{
		"misspelt": {
			volume(map[string]tftypes.Value{"readonly": str("true")}),
			`volumes["data"] has no attribute called "readonly"`, `Did you mean "read_only"?`,
		},
		"nothing like it": {
			volume(map[string]tftypes.Value{"helicopter": str("x")}),
			`volumes["data"] has no attribute called "helicopter"`, "It may have anything, codes, mode, mounts,",
		},
		"missing": {
			object(map[string]tftypes.Value{"data": object(map[string]tftypes.Value{"pad_a": str("x")})}),
			`volumes["data"] has no path`, "path is required there. Where it is mounted.",
		},
		"null where required": {
			volume(map[string]tftypes.Value{"path": tftypes.NewValue(tftypes.String, nil)}),
			`volumes["data"] has no path`, "path is required there.",
		},
		"no object": {
			object(map[string]tftypes.Value{"data": str("/data")}),
			`volumes["data"] must be an object`, "The configuration gives a string.",
		},
		"no map":    {str("/data"), "volumes must be a map of objects", "The configuration gives a string."},
		"no number": {volume(map[string]tftypes.Value{"mode": str("rwx")}), `volumes["data"].mode must be a number`, "gives a string"},
		"no list": {
			volume(map[string]tftypes.Value{"mounts": object(map[string]tftypes.Value{"at": str("/a")})}),
			`volumes["data"].mounts must be a list of objects`, "gives an object",
		},
		"inside a list": {
			volume(map[string]tftypes.Value{"mounts": tuple(object(map[string]tftypes.Value{"subpath": str("/a")}))}),
			`volumes["data"].mounts[0] has no attribute called "subpath"`, `Did you mean "sub_path"?`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user := onWire(t, f.narrow, written(f, c.volumes))
			resp, err := Serve(&inner{}).ValidateResourceConfig(t.Context(), &tfprotov6.ValidateResourceConfigRequest{TypeName: "mlk_thing", Config: user})
			if err != nil {
				t.Fatal(err)
			}
			if len(resp.Diagnostics) != 1 {
				t.Fatalf("%d diagnostics, want 1: %v", len(resp.Diagnostics), resp.Diagnostics)
			}
			d := resp.Diagnostics[0]
			if d.Severity != tfprotov6.DiagnosticSeverityError || d.Summary != c.summary || !strings.Contains(d.Detail, c.detail) {
				t.Errorf("got %q\n%s\nwant %q with %q", d.Summary, d.Detail, c.summary, c.detail)
			}
			if d.Attribute.String() != `AttributeName("volumes")` {
				t.Errorf("it points at %s, whose line Terraform cannot find", d.Attribute)
			}
		})
	}
}

// TestRefusedApplyKeepsTheState: a value that only the apply knows may be wrong.
func TestRefusedApplyKeepsTheState(t *testing.T) {
	t.Parallel()
	f := testForm()
	prior := onWire(t, f.narrow, written(f, usersVolumes()))
	wrong := onWire(t, f.narrow, written(f, str("/data")))
	resp, err := Serve(&inner{}).ApplyResourceChange(t.Context(), &tfprotov6.ApplyResourceChangeRequest{
		TypeName: "mlk_thing", PriorState: prior, PlannedState: wrong, Config: wrong, PlannedPrivate: []byte("private"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if resp.NewState != prior || string(resp.Private) != "private" || len(resp.Diagnostics) != 1 {
		t.Errorf("got state %v, private %q, %v; want all as before and one error", resp.NewState, resp.Private, resp.Diagnostics)
	}
}
