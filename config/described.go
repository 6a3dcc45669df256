package config

import (
	"fmt"
	"strings"

	"github.com/invopop/jsonschema"
)

// Described is one key of the configuration file, for people.
type Described struct {
	Path     string   // as in "listeners[].tls.mode"; [] stands for an item of a list
	Text     string   // what it is for
	Values   []string // those that are allowed, where they can be listed
	Default  string   // where the file says nothing; "" where that is nothing
	Required bool
}

// Reference describes all keys, in the order of the types and each before those below it.
func Reference() ([]Described, error) {
	root, err := reflectSchema()
	if err != nil {
		return nil, err
	}
	r := &reference{definitions: root.Definitions}
	r.object("", root)
	return r.keys, nil
}

// reference collects.
type reference struct {
	definitions jsonschema.Definitions
	keys        []Described
}

// object adds the keys of an object.
func (r *reference) object(prefix string, s *jsonschema.Schema) {
	required := make(map[string]bool)
	for _, key := range s.Required {
		required[key] = true
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		d := Described{Path: prefix + p.Key, Text: p.Value.Description, Required: required[p.Key]}
		if p.Value.Default != nil {
			d.Default = fmt.Sprint(p.Value.Default)
		}
		below := r.resolved(p.Value)
		if below.Type == "array" {
			d.Path += "[]"
			below = r.resolved(below.Items)
		}
		if d.Text == "" {
			d.Text = below.Description
		}
		for _, v := range below.Enum {
			d.Values = append(d.Values, fmt.Sprint(v))
		}
		r.keys = append(r.keys, d)
		if below.Properties != nil {
			r.object(d.Path+".", below)
		}
	}
}

// resolved follows a reference to a definition.
func (r *reference) resolved(s *jsonschema.Schema) *jsonschema.Schema {
	const definitions = "#/$defs/"
	if name, ok := strings.CutPrefix(s.Ref, definitions); ok {
		return r.definitions[name]
	}
	return s
}
