// Package narrow makes the schema that Terraform sees smaller than the one the
// provider is written in. Large nested attributes (volumes, helper containers,
// probes) travel to the CLI as dynamic values, holding what the user wrote and
// nothing else, and are turned into their whole type before the provider looks
// at them. Inside the provider nothing of this is seen.
//
// The CLI builds the type of a resource anew several times for each resource of
// a configuration, and walks all of it for each value: for mlk_training_job with
// its 800 attributes that took 40 ms of CPU a resource, thirty times what the
// provider did.
//
// What the CLI checks in a typed attribute is checked here: names, types and
// required attributes, with the nearest name offered.
package narrow

import (
	"context"
	"slices"
	"sync"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Sizes of attributes, counted with all that is nested in them.
const (
	// small attributes keep their type: little is gained without it, and
	// editors complete what has one.
	small = 10
	// kept is how large an object may be that keeps its type because what is
	// large in it has been narrowed.
	kept = 30
)

// Serve puts a provider server behind a narrow schema.
func Serve(inner tfprotov6.ProviderServer) tfprotov6.ProviderServer {
	s := &server{ProviderServer: inner}
	s.forms = sync.OnceValues(s.measure)
	return s
}

type server struct {
	tfprotov6.ProviderServer
	forms func() (map[string]*form, error)
}

// form is how the values of one resource type travel.
type form struct {
	version      int64
	wide, narrow tftypes.Type
	// parts are the narrowed attributes, and the objects with some in them, by name.
	parts map[string]*part
}

// part is an attribute that differs between the two schemas.
type part struct {
	wide *tfprotov6.SchemaAttribute
	typ  tftypes.Type
	// inner are the parts of an object that keeps its type; nil for an
	// attribute that is dynamic as a whole.
	inner map[string]*part
}

// measure finds the forms of all resource types that have something to narrow.
func (s *server) measure() (map[string]*form, error) {
	resp, err := s.ProviderServer.GetProviderSchema(context.Background(), &tfprotov6.GetProviderSchemaRequest{})
	if err != nil {
		return nil, err
	}
	forms := map[string]*form{}
	for name, schema := range resp.ResourceSchemas {
		narrowed, parts := narrowSchema(schema)
		if len(parts) > 0 {
			forms[name] = &form{version: schema.Version, wide: schema.ValueType(), narrow: narrowed.ValueType(), parts: parts}
		}
	}
	return forms, nil
}

// form is that of a resource type; nil when it travels as it is.
func (s *server) form(typeName string) (*form, error) {
	forms, err := s.forms()
	return forms[typeName], err
}

// narrowSchema is the schema the CLI gets, and what differs in it.
func narrowSchema(s *tfprotov6.Schema) (*tfprotov6.Schema, map[string]*part) {
	if s.Block == nil {
		return s, nil
	}
	if slices.ContainsFunc(s.Block.Attributes, gathers) {
		return s, nil
	}
	attributes, parts := narrowAttributes(s.Block.Attributes)
	block := *s.Block
	block.Attributes = attributes
	out := *s
	out.Block = &block
	return &out, parts
}

// gathers reports whether an attribute shows objects that the provider has found, a
// thousand nodes for instance. The state of such a resource travels as it is: to turn
// it into another form is to decode it, each time.
func gathers(a *tfprotov6.SchemaAttribute) bool {
	m, ok := a.Type.(tftypes.Map)
	if !ok || !a.Computed {
		return false
	}
	_, objects := m.ElementType.(tftypes.Object)
	return objects
}

func narrowAttributes(in []*tfprotov6.SchemaAttribute) ([]*tfprotov6.SchemaAttribute, map[string]*part) {
	out := make([]*tfprotov6.SchemaAttribute, 0, len(in))
	parts := map[string]*part{}
	for _, a := range in {
		b, p := narrowAttribute(a)
		if p != nil {
			parts[a.Name] = p
		}
		out = append(out, b)
	}
	return out, parts
}

// narrowAttribute is the attribute as the CLI gets it, and how it differs; nil
// when it does not. Computed attributes keep their type: the CLI must know what
// a plan leaves open. So does everything in a collection: Terraform has no
// collections of dynamic values.
func narrowAttribute(a *tfprotov6.SchemaAttribute) (*tfprotov6.SchemaAttribute, *part) {
	if a.NestedType == nil || a.Computed || count(a) <= small {
		return a, nil
	}
	p := &part{wide: a, typ: a.ValueType()}
	if a.NestedType.Nesting == tfprotov6.SchemaObjectNestingModeSingle {
		inner, parts := narrowAttributes(a.NestedType.Attributes)
		if len(parts) > 0 {
			nested := *a.NestedType
			nested.Attributes = inner
			b := *a
			b.NestedType = &nested
			if count(&b) <= kept {
				p.inner = parts
				return &b, p
			}
		}
	}
	b := *a
	b.NestedType, b.Type = nil, tftypes.DynamicPseudoType
	return &b, p
}

// count is the number of attributes, the nested ones too.
func count(a *tfprotov6.SchemaAttribute) int {
	n := 1
	if a.NestedType != nil {
		for _, b := range a.NestedType.Attributes {
			n += count(b)
		}
	}
	return n
}
