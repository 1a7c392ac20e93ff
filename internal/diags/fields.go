package diags

import (
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/path"
)

// Fields maps API field paths to the attributes that generated them, so that a
// complaint of the API server about a field, and a change seen on a field, land
// on the line the user wrote. The zero value is empty and ready to use.
type Fields struct {
	entries []field
}

type field struct {
	segments  []string
	attribute path.Path
}

// Add says that the attribute at generates the field segments and everything
// below it, unless a longer entry says otherwise.
//
// The first segment is the kind ("Job"). The rest are field names; an element
// of a keyed list is named by the value of its key ("containers", "main",
// "env", "FOO", "value"), a map entry by its key. Several keys are joined with
// "/" ("ports", "8080/TCP"). Lists without keys end the path: name the list.
func (f *Fields) Add(at path.Path, segments ...string) {
	f.entries = append(f.entries, field{segments: slices.Clone(segments), attribute: at})
}

// Merge adds all entries of others.
func (f *Fields) Merge(others ...Fields) {
	for _, o := range others {
		f.entries = append(f.entries, o.entries...)
	}
}

// MadeBy returns the same fields as made by one attribute, all of them.
func (f *Fields) MadeBy(at path.Path) Fields {
	var out Fields
	for _, e := range f.entries {
		out.entries = append(out.entries, field{segments: e.segments, attribute: at})
	}
	return out
}

// Moved returns the entries at and below a field as those of another place.
func (f *Fields) Moved(from, to []string) Fields {
	var out Fields
	for _, e := range f.entries {
		if len(e.segments) >= len(from) && slices.Equal(e.segments[:len(from)], from) {
			out.Add(e.attribute, append(slices.Clone(to), e.segments[len(from):]...)...)
		}
	}
	return out
}

// Find returns the attribute that generated the field, judged by the longest
// entry that is a prefix of segments.
func (f *Fields) Find(segments []string) (path.Path, bool) {
	best := -1
	var at path.Path
	for _, e := range f.entries {
		if len(e.segments) <= best || len(e.segments) > len(segments) {
			continue
		}
		if slices.Equal(e.segments, segments[:len(e.segments)]) {
			best, at = len(e.segments), e.attribute
		}
	}
	return at, best >= 0
}

// FindBelow returns the attributes of all entries at or below the field. An
// API error may name a whole list or struct that several attributes filled.
func (f *Fields) FindBelow(segments []string) []path.Path {
	var out []path.Path
	for _, e := range f.entries {
		if len(e.segments) >= len(segments) && slices.Equal(e.segments[:len(segments)], segments) {
			out = append(out, e.attribute)
		}
	}
	return out
}

// Redirect lets another attribute answer for all fields that the attribute from,
// or one below it, generates.
func (f *Fields) Redirect(from, to path.Path) {
	for i, e := range f.entries {
		if below(e.attribute, from) {
			f.entries[i].attribute = to
		}
	}
}

// below reports whether at is root or an attribute below it.
func below(at, root path.Path) bool {
	a, r := at.Steps(), root.Steps()
	return len(a) >= len(r) && a[:len(r)].Equal(r)
}
