package config

import (
	_ "embed"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// referenceFile is the published reference.
const referenceFile = "../docs/configuration.md"

// referenceIntro is what the reference says before the keys: what the types do not tell.
//
//go:embed testdata/reference-intro.md
var referenceIntro string

// TestReferenceIsPublished holds docs/configuration.md to the types, their comments, defaults and rules. `make docs`
// writes it anew.
func TestReferenceIsPublished(t *testing.T) {
	docs, err := readComments(typesSource, typesPoolSource)
	if err != nil {
		t.Fatal(err)
	}
	page := &strings.Builder{}
	page.WriteString(referenceIntro)
	docs.section(page, reflect.TypeFor[Config](), "")
	golden(t, referenceFile, []byte(page.String()))
}

// section writes the keys of the struct t that is at path, then those of the structs in it.
func (c comments) section(page *strings.Builder, t reflect.Type, path string) {
	title := path
	if title == "" {
		title = "the file"
	}
	fmt.Fprintf(page, "\n## %s\n\n%s\n\n| key | value | default | meaning |\n|---|---|---|---|\n", title, cell(c.sectionText(t)))
	keys, index := yamlFields(t)
	for _, key := range keys {
		f := t.Field(index[key])
		fmt.Fprintf(page, "| `%s` | %s | %s | %s |\n", key, c.value(t, f, child(path, key)), defaultText(t, f, key), cell(c.meaning(t, f, key)))
	}
	for _, key := range keys {
		if inner, ok := structOf(t.Field(index[key]).Type); ok {
			c.section(page, inner, sectionPath(path, key, t.Field(index[key]).Type))
		}
	}
}

// sectionText is the comment of a type as a sentence for people who know no Go.
func (c comments) sectionText(t reflect.Type) string {
	text := c[t.Name()]
	if rest, ok := strings.CutPrefix(text, t.Name()+" "); ok {
		text = rest
	}
	for _, verb := range []string{"describes ", "is "} {
		if rest, ok := strings.CutPrefix(text, verb); ok {
			text = rest
			break
		}
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// meaning is the comment of a field without the name that the first column has, nor what joins it to that.
func (c comments) meaning(t reflect.Type, f reflect.StructField, key string) string {
	text := strings.TrimPrefix(c.lookup(t, f.Name), key+" ")
	for _, verb := range []string{"is ", "are "} {
		text = strings.TrimPrefix(text, verb)
	}
	if first, _, _ := strings.Cut(text, " "); slices.Contains(enums[f.Type], strings.Trim(first, ",")) {
		return text // a value is written as it is
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// value says how a key is written, and within which bounds.
func (c comments) value(owner reflect.Type, f reflect.StructField, path string) string {
	t, r := f.Type, rules[ruleName(owner, f.Tag.Get("yaml"))]
	if _, ok := structOf(t); ok {
		what := "map"
		if t.Kind() == reflect.Slice {
			what = "list of maps"
		}
		return fmt.Sprintf("[%s](#%s)", what, slug(sectionPath("", path, t)))
	}
	if t.Kind() == reflect.Slice {
		return "list of " + scalarName(t.Elem())
	}
	if e := enums[t]; e != nil {
		r.enum = e
	}
	switch {
	case len(r.enum) > 0:
		return "`" + strings.Join(r.enum, "`, `") + "`"
	case bounded(t):
		return scalarName(t) + ", " + r.bounds(t)
	}
	return scalarName(t)
}

// bounded reports whether values of type t have a least and a most.
func bounded(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64:
		return true
	}
	return false
}

// scalarName names what a value of type t is.
func scalarName(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[netip.Prefix]():
		return "networks"
	case reflect.TypeFor[netip.Addr]():
		return "addresses"
	case reflect.TypeFor[Secret]():
		return "text, secret"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "`true`, `false`"
	case reflect.Int:
		return "whole number"
	case reflect.Float64:
		return "number"
	}
	return "text"
}

// defaultText is what holds where the file does not have the key.
func defaultText(owner reflect.Type, f reflect.StructField, key string) string {
	if rules[ruleName(owner, key)].need != "" {
		return "must be there"
	}
	preset := defaultOf(owner)
	if _, inner := structOf(f.Type); inner || f.Type.Kind() == reflect.Slice || !preset.IsValid() {
		return ""
	}
	if v := written(preset.FieldByIndex(f.Index)); v != nil {
		return fmt.Sprintf("`%v`", v)
	}
	return ""
}

// structOf returns the struct that t is, or is a list of.
func structOf(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct && !isLeaf(t)
}

// sectionPath is the title of the section of a key that holds a struct, or a list of them.
func sectionPath(path, key string, t reflect.Type) string {
	if t.Kind() == reflect.Slice {
		key += "[]"
	}
	return child(path, key)
}

// slug is the anchor that Markdown readers make of a title.
func slug(title string) string {
	return strings.NewReplacer(".", "", "[", "", "]", "", " ", "-").Replace(title)
}

// cell keeps text from ending a table's cell.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// TestReferenceHasEveryKey does not trust the walk that made the page: it takes the keys from the types by another way.
func TestReferenceHasEveryKey(t *testing.T) {
	page := string(read(t, referenceFile))
	for _, s := range structs(reflect.TypeFor[Config]()) {
		keys, _ := yamlFields(s)
		for _, key := range keys {
			if !strings.Contains(page, "\n| `"+key+"` | ") {
				t.Errorf("%v: no line for %s", s, key)
			}
		}
	}
}
