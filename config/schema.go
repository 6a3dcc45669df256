package config

import (
	_ "embed" // for the source that the descriptions come from
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// typesSource holds the comments that become descriptions; reading them from the source keeps the two the same.
//
//go:embed types.go
var typesSource string

//go:embed types_pool.go
var typesPoolSource string

// comments are the comments of the types' source, by "Type" and "Type.Field".
type comments map[string]string

// Schema returns the JSON Schema (draft 2020-12) of configuration files, for editors and other checkers. It is the
// same at every call. It covers keys, types, values and ranges; references and what must go together only Parse knows.
func Schema() ([]byte, error) {
	s, err := reflectSchema()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return append(text, '\n'), nil
}

// reflectSchema makes the schema of the types, their comments, rules and defaults.
func reflectSchema() (*jsonschema.Schema, error) {
	docs, err := readComments(typesSource, typesPoolSource)
	if err != nil {
		return nil, fmt.Errorf("read the comments of the types: %w", err)
	}
	r := &jsonschema.Reflector{
		Anonymous:                  true,
		ExpandedStruct:             true,
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true, // rules say what is required
		Mapper:                     leafSchema,
		LookupComment:              docs.lookup,
	}
	s := r.Reflect(&Config{})
	s.Title = "fairlead configuration"
	if err := annotate(s); err != nil {
		return nil, err
	}
	return s, nil
}

// leafSchema returns the schema of a type that is written as a scalar; nil leaves t to reflection.
func leafSchema(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string", Pattern: durationPattern}, {Const: 0},
		}}
	case reflect.TypeFor[Size]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
			{Type: "string", Pattern: "^[0-9]+(" + sizeUnitNames() + ")?$"}, {Type: "integer", Minimum: "0"},
		}}
	case reflect.TypeFor[netip.Prefix](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[Secret]():
		return &jsonschema.Schema{Type: "string"}
	}
	if values := enums[t]; values != nil {
		return &jsonschema.Schema{Type: "string", Enum: asAny(values)}
	}
	return nil
}

// sizeUnitNames returns the units of sizes as alternatives of a pattern.
func sizeUnitNames() string {
	names := make([]string, len(sizeUnits))
	for i, u := range sizeUnits {
		names[i] = u.name
	}
	return strings.Join(names, "|")
}

func asAny(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// annotate adds what rules and defaults know to the schemas of all structs.
func annotate(root *jsonschema.Schema) error {
	for _, t := range structs(reflect.TypeFor[Config]()) {
		s := root.Definitions[t.Name()]
		if t == reflect.TypeFor[Config]() {
			s = root
		}
		if s == nil {
			return fmt.Errorf("the schema has no definition of %v", t)
		}
		preset := defaultOf(t)
		keys, index := yamlFields(t)
		for _, key := range keys {
			p, ok := s.Properties.Get(key)
			if !ok {
				return fmt.Errorf("the schema of %v has no %s", t, key)
			}
			field := t.Field(index[key])
			rule := rules[ruleName(t, key)]
			if rule.need != "" {
				s.Required = append(s.Required, key)
			}
			rule.annotate(p, field.Type)
			if preset.IsValid() && isLeaf(field.Type) && rule.need == "" {
				p.Default = written(preset.FieldByIndex(field.Index))
			}
		}
	}
	return nil
}

// annotate adds the rule to the schema of one property.
func (r rule) annotate(p *jsonschema.Schema, t reflect.Type) {
	if r.enum != nil {
		p.Enum = asAny(r.enum)
	}
	switch {
	case t.Kind() == reflect.Slice && r.need != "":
		p.MinItems = ptr(uint64(1))
	case t.Kind() == reflect.String && r.need != "":
		p.MinLength = ptr(uint64(1))
	case t.Kind() == reflect.Int, t.Kind() == reflect.Float64:
		least := r.least
		if r.orZero {
			least = 0 // what lies between only Parse refuses
		}
		p.Minimum, p.Maximum = jsonNumber(least), jsonNumber(r.most)
	case t == reflect.TypeFor[time.Duration](), t == reflect.TypeFor[Size]():
		p.Description = strings.TrimSpace(p.Description + " Allowed: " + r.bounds(t) + ".")
	}
}

func ptr[T any](v T) *T { return &v }

func jsonNumber(n int64) json.Number { return json.Number(fmt.Sprint(n)) }

// structs returns t and every struct type below it, each once.
func structs(t reflect.Type) []reflect.Type {
	list := []reflect.Type{t}
	for i := 0; i < len(list); i++ {
		for f := range list[i].NumField() {
			ft := list[i].Field(f).Type
			if ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct && !isLeaf(ft) && !slices.Contains(list, ft) {
				list = append(list, ft)
			}
		}
	}
	return list
}

// defaultOf returns a struct of type t as it is where the file says nothing, or no value for one that only exists
// where the file has it.
func defaultOf(t reflect.Type) reflect.Value {
	if preset := presets[t]; preset != nil {
		return preset()
	}
	for _, preset := range presets {
		owner := preset()
		for i := range owner.NumField() {
			if owner.Field(i).Type() == t {
				return owner.Field(i)
			}
		}
	}
	return reflect.Value{}
}

// written renders a default as a file would; nil for the empty text, which says nothing.
func written(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		return formatDuration(x)
	case Size:
		return x.String()
	}
	if v.Kind() == reflect.String && v.Len() == 0 {
		return nil
	}
	return v.Interface()
}

// lookup returns the comment of a type, or of its field.
func (c comments) lookup(t reflect.Type, field string) string {
	if field == "" || t.Kind() != reflect.Struct {
		return c[t.Name()]
	}
	text := c[t.Name()+"."+field]
	f, _ := t.FieldByName(field)
	if rest, ok := strings.CutPrefix(text, field+" "); ok {
		return f.Tag.Get("yaml") + " " + rest // readers of the schema know the key, not the Go name
	}
	return text
}

// readComments returns the comments of the types in Go source and of their fields, on one line each.
func readComments(sources ...string) (comments, error) {
	found := make(comments)
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), "types.go", source, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		found.declarations(file.Decls)
	}
	return found, nil
}

// declarations adds the comments of types.
func (c comments) declarations(decls []ast.Decl) {
	for _, decl := range decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			typ := spec.(*ast.TypeSpec) // of a type declaration, by its token
			c[typ.Name.Name] = oneLine(gen.Doc.Text())
			if st, ok := typ.Type.(*ast.StructType); ok {
				c.fields(typ.Name.Name, st)
			}
		}
	}
}

// fields adds the comments of the fields of a struct.
func (c comments) fields(owner string, st *ast.StructType) {
	for _, f := range st.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		for _, name := range f.Names {
			c[owner+"."+name.Name] = oneLine(text)
		}
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
