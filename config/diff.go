package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// ChangeKind says how a part of one configuration differs from that of another.
type ChangeKind uint8

// Kinds of changes.
const (
	Changed ChangeKind = iota
	Added
	Removed
)

// String returns the word that is shown.
func (k ChangeKind) String() string { return [...]string{"changed", "added", "removed"}[k] }

// Change is a difference between two configurations.
type Change struct {
	// Path is where it is: "pools.chat.backends.b3". Elements of lists go by their names, or else by their places.
	Path string
	Kind ChangeKind
	// Was and Now are what files would say, on one line, of a changed value that is no secret, and of a route that has come or
	// gone.
	Was, Now string
}

// ParseChangeKind is the inverse of ChangeKind.String; an unknown word is Changed.
func ParseChangeKind(word string) ChangeKind {
	for k := Changed; k <= Removed; k++ {
		if k.String() == word {
			return k
		}
	}
	return Changed
}

// String is one line for people.
func (c Change) String() string {
	switch {
	case c.Was == "" && c.Now == "":
		return fmt.Sprintf("%s: %s", c.Path, c.Kind)
	case c.Kind != Changed:
		return fmt.Sprintf("%s: %s %s%s", c.Path, c.Kind, c.Was, c.Now)
	}
	return fmt.Sprintf("%s: %s -> %s", c.Path, orNothing(c.Was), orNothing(c.Now))
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// atStart are the parts that a running process cannot change, and why.
var atStart = map[string]string{
	"relay":      "event loops and engines are those that the process began with",
	"log.format": "the log is written in one format for as long as the process lives",
	"log.file":   "the log goes where it went at the start; SIGUSR1 opens the file anew",
}

// NeedsRestart says why the change takes effect when the process starts anew only; "": it takes effect at once.
func (c Change) NeedsRestart() string {
	for part, why := range atStart {
		if c.Path == part || strings.HasPrefix(c.Path, part+".") {
			return why
		}
	}
	return ""
}

// Diff returns what is different in next, in the order of the file. Listeners, pools, backends and certificates are compared
// with those of the same name, wherever they stand, and routes by what stays in its order. All other lists are different in another order, if that means
// something.
func Diff(was, next *Config) []Change {
	var d differ
	d.fields("", reflect.ValueOf(*was), reflect.ValueOf(*next))
	return d.changes
}

type differ struct{ changes []Change }

func (d *differ) add(c Change) { d.changes = append(d.changes, c) }

// fields compares two values of one struct.
func (d *differ) fields(path string, was, next reflect.Value) {
	keys, index := yamlFields(was.Type())
	for _, key := range keys {
		before, after := was.Field(index[key]), next.Field(index[key])
		if unordered[ruleName(was.Type(), key)] && slices.Equal(sorted(before), sorted(after)) {
			continue
		}
		d.values(below(path, key), before, after)
	}
}

// unordered are the lists whose order means nothing.
var unordered = map[string]bool{
	"Listener.bind": true, "ProxyProtocol.trusted": true, "Head.forwarded_trusted": true, "Pool.source": true,
}

func sorted(list reflect.Value) []string {
	items := shownItems(list)
	slices.Sort(items)
	return items
}

func (d *differ) values(path string, was, next reflect.Value) {
	switch t := was.Type(); {
	case reflect.DeepEqual(was.Interface(), next.Interface()):
	case t == reflect.TypeFor[Secret]():
		d.add(Change{Path: path})
	case isLeaf(t):
		d.add(Change{Path: path, Was: shown(was), Now: shown(next)})
	case t.Kind() == reflect.Struct:
		d.fields(path, was, next)
	case was.Len()+next.Len() == 0: // left out, and written as an empty list
	case t == reflect.TypeFor[[]Route]():
		d.routes(path, was.Interface().([]Route), next.Interface().([]Route))
	case isLeaf(t.Elem()):
		d.add(Change{Path: path, Was: shownList(was), Now: shownList(next)})
	default:
		d.lists(path, was, next)
	}
}

// lists compares two lists of structs.
func (d *differ) lists(path string, was, next reflect.Value) {
	before, after := named(was), named(next)
	for _, name := range before.names {
		if other, ok := after.of[name]; ok {
			d.values(below(path, name), before.of[name], other)
		} else {
			d.add(Change{Path: below(path, name), Kind: Removed})
		}
	}
	for _, name := range after.names {
		if _, ok := before.of[name]; !ok {
			d.add(Change{Path: below(path, name), Kind: Added})
		}
	}
	if was.Type() != reflect.TypeFor[[]Certificate]() || len(before.names) == 0 || len(after.names) == 0 {
		return
	}
	if first, now := before.names[0], after.names[0]; first != now { // the default for names that none has
		d.add(Change{Path: path + ".default", Was: first, Now: now})
	}
}

// byName is a list of structs by the names of its elements.
type byName struct {
	names []string // in order, each once
	of    map[string]reflect.Value
}

func named(list reflect.Value) byName {
	b := byName{of: map[string]reflect.Value{}}
	for i := range list.Len() {
		e := list.Index(i)
		name := nameIn(e)
		if name == "" || slices.Contains(b.names, name) { // a route, or a second of a name that need not be unique
			name = fmt.Sprintf("%s[%d]", name, i)
		}
		b.names = append(b.names, name)
		b.of[name] = e
	}
	return b
}

// nameIn returns what an element of a list is known by; "": its place.
func nameIn(e reflect.Value) string {
	switch e := e.Interface().(type) {
	case Listener:
		return e.Name
	case Pool:
		return e.Name
	case Certificate:
		return e.Cert
	case Backend:
		if kind, _ := e.Source(); kind != NoSource {
			return e.Address // what it names have names of their own
		}
		return e.Name
	}
	return ""
}

// below is the path of what is at a path: a key, a name, or a place.
func below(path, name string) string {
	if path == "" || strings.HasPrefix(name, "[") {
		return path + name
	}
	return path + "." + name
}

func shown(v reflect.Value) string {
	if v.Kind() == reflect.String {
		return v.String()
	}
	return fmt.Sprint(written(v))
}

func shownList(list reflect.Value) string { return "[" + strings.Join(shownItems(list), ", ") + "]" }

func shownItems(list reflect.Value) []string {
	out := make([]string, list.Len())
	for i := range out {
		out[i] = shown(list.Index(i))
	}
	return out
}
