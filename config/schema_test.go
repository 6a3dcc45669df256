package config

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaFile is the published schema.
const schemaFile = "../docs/fairlead.schema.json"

func TestSchemaIsPublished(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, schemaFile, got)
	again, err := Schema()
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("two calls differ: %v", err)
	}
}

// compileSchema returns the schema, which is thereby checked against draft 2020-12 itself.
func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("fairlead.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("fairlead.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// asJSON returns a YAML file as a JSON checker sees it.
func asJSON(t *testing.T, path string) any {
	t.Helper()
	text, err := yaml.YAMLToJSON(read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestSchemaAcceptsGoodFiles(t *testing.T) {
	s := compileSchema(t)
	for _, path := range files(t, "good") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			if err := s.Validate(asJSON(t, path)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSchemaRefusesBadFiles covers the mistakes that a schema can see.
func TestSchemaRefusesBadFiles(t *testing.T) {
	s := compileSchema(t)
	seen := []string{"key-unknown", "key-odd", "key-admin", "type-", "enum-", "number-", "required-", "health-", "duration-no-unit", "duration-negative", "duration-bad", "size-bad"}
	// What is missing here depends on another key; what is odd there is text like any other to a schema.
	unseen := []string{"required-somewhere", "type-control"}
	for _, path := range files(t, "bad") {
		name := filepath.Base(path)
		if !hasAnyPrefix(name, seen) || hasAnyPrefix(name, unseen) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if s.Validate(asJSON(t, path)) == nil {
				t.Error("accepted")
			}
		})
	}
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// TestSchemaDescribesEveryKey keeps the comments complete: editors show them.
func TestSchemaDescribesEveryKey(t *testing.T) {
	s := compileSchema(t)
	todo, seen := []*jsonschema.Schema{s}, map[*jsonschema.Schema]bool{}
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if next.Ref != nil {
			next = next.Ref
		}
		if seen[next] {
			continue
		}
		seen[next] = true
		if items, ok := next.Items2020, next.Items2020 != nil; ok {
			todo = append(todo, items)
		}
		for key, p := range next.Properties {
			if p.Description == "" || strings.ToLower(p.Description[:1]) != p.Description[:1] {
				t.Errorf("%s %s: the description %q does not begin with the key", next.Location, key, p.Description)
			}
			todo = append(todo, p)
		}
	}
	if len(seen) < 12 {
		t.Errorf("only %d schemas were visited", len(seen))
	}
}
