package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxValues bounds what a file grows to when its aliases are followed: some fifty thousand backends.
const maxValues = 1 << 18

// mark is where a value was written. An element of a list is its own key.
type mark struct{ key, value spot }

// decoder turns a tree into a Config, noting each mistake and going on.
type decoder struct {
	*report
	targets aliases
	marks   map[string]mark // every value that was written, by path
	budget  int             // values that may still be decoded
}

// config decodes the whole file.
func (d *decoder) config(root ast.Node) *Config {
	v := reflect.New(reflect.TypeFor[Config]()).Elem()
	v.Set(presets[v.Type()]())
	d.structure(root, v, "")
	cfg := v.Interface().(Config)
	return &cfg
}

// given reports whether the file has a value at path.
func (d *decoder) given(path string) bool {
	_, ok := d.marks[path]
	return ok
}

// value decodes n into v by v's type; r bounds it if it is a leaf.
func (d *decoder) value(n ast.Node, v reflect.Value, path string, r rule) {
	if !d.spend(n) {
		return
	}
	n = d.follow(n, path)
	if n == nil {
		return
	}
	switch {
	case isLeaf(v.Type()):
		d.leaf(n, v, path, r)
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	default:
		d.structure(n, v, path)
	}
}

// spend takes one value from the budget.
func (d *decoder) spend(n ast.Node) bool {
	d.budget--
	if d.budget == -1 {
		d.add(nodeSpot(n), "", "more than %d values once aliases are followed", maxValues)
	}
	return d.budget >= 0
}

// follow returns the node that n stands for, through anchors and aliases; nil after noting why there is none.
func (d *decoder) follow(n ast.Node, path string) ast.Node {
	for {
		switch node := n.(type) {
		case *ast.AnchorNode:
			n = node.Value
		case *ast.AliasNode:
			target, ok := d.targets[node]
			if !ok {
				d.add(nodeSpot(node), path, "no anchor %s stands before this alias", shorten("&"+node.Value.GetToken().Value))
				return nil
			}
			n = target
		case nil:
			d.add(spot{}, path, "has no value")
			return nil
		case *ast.TagNode:
			d.add(nodeSpot(node), path, "YAML tags are not supported; remove %s", shorten(node.GetToken().Value))
			return nil
		default:
			return n
		}
	}
}

// list decodes a sequence.
func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(nodeSpot(n), path, "must be a list%s", d.listHint(n, v.Type().Elem()))
		return
	}
	elem := v.Type().Elem()
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, item := range seq.Values {
		slot, itemPath := v.Index(i), element(path, i)
		if preset := presets[elem]; preset != nil {
			slot.Set(preset())
		}
		at := nodeSpot(item)
		d.marks[itemPath] = mark{key: at, value: at}
		d.value(item, slot, itemPath, rule{})
	}
}

// listHint shows a lone value that should have been a list.
func (d *decoder) listHint(n ast.Node, elem reflect.Type) string {
	if s, ok := scalarOf(n); ok && s.kind != nothing && isLeaf(elem) {
		return fmt.Sprintf(", not %v; write [%s]", s.kind, shorten(s.text))
	}
	return ", not " + kindOf(n).String()
}

// structure decodes a mapping.
func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	if !isMap(n) {
		d.add(nodeSpot(n), path, "must be a map of keys and values, not %v; known keys: %s", kindOf(n), knownKeys(v.Type()))
		return
	}
	_, index := yamlFields(v.Type())
	for _, e := range d.entries(n, path) {
		at := child(path, e.name())
		i, known := index[e.key]
		if !known {
			d.unknown(e, v.Type(), path)
			continue
		}
		d.marks[at] = mark{key: e.at, value: nodeSpot(e.value)}
		d.value(e.value, v.Field(i), at, rules[ruleName(v.Type(), e.key)])
	}
	d.required(n, v, path)
}

// unknown notes a key that the struct type t does not have.
func (d *decoder) unknown(e entry, t reflect.Type, path string) {
	at := child(path, e.name())
	keys, _ := yamlFields(t)
	d.add(e.at, at, "unknown key; known keys: %s%s", strings.Join(keys, ", "), maybe(e.key, keys))
	if meant := nearest(e.key, keys); meant != "" {
		d.spoil(child(path, meant)) // it is there, only misspelt
	}
}

// required notes the fields of v that must be there and are not, or are empty.
func (d *decoder) required(n ast.Node, v reflect.Value, path string) {
	keys, index := yamlFields(v.Type())
	for _, key := range keys {
		need, at := rules[ruleName(v.Type(), key)].need, child(path, key)
		if need == "" || !d.sound(at) {
			continue
		}
		field := v.Field(index[key])
		empty := field.IsZero() || field.Kind() == reflect.Slice && field.Len() == 0
		switch m, written := d.marks[at]; {
		case !written:
			d.add(nodeSpot(n), at, "is missing; %s", need)
		case empty:
			d.add(m.value, at, "is empty; %s", need)
		}
	}
}

func knownKeys(t reflect.Type) string {
	keys, _ := yamlFields(t)
	return strings.Join(keys, ", ")
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	at    spot
	value ast.Node
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// name renders the key for a path: quoted where it could be mistaken for something else.
func (e entry) name() string {
	if plainKey.MatchString(e.key) {
		return e.key
	}
	return shorten(e.key)
}

// entries returns the keys of a mapping, those merged into it last and only where it does not have them itself.
func (d *decoder) entries(n ast.Node, path string) []entry {
	var own []entry
	var merges []ast.Node
	first := make(map[string]spot)
	for _, pair := range pairs(n) {
		if pair.Key.IsMergeKey() {
			merges = append(merges, pair.Value)
			continue
		}
		e, ok := d.entryOf(pair, path)
		if !ok {
			continue
		}
		if at, dup := first[e.key]; dup {
			d.add(e.at, child(path, e.name()), "key is given twice, first in line %d", at.line)
			continue
		}
		first[e.key] = e.at
		own = append(own, e)
	}
	for _, m := range merges {
		for _, e := range d.merged(m, path) {
			if _, has := first[e.key]; !has {
				first[e.key] = e.at
				own = append(own, e)
			}
		}
	}
	return own
}

// entryOf reads one key and its value.
func (d *decoder) entryOf(pair *ast.MappingValueNode, path string) (entry, bool) {
	var key ast.Node = pair.Key
	if long, ok := key.(*ast.MappingKeyNode); ok { // written as "? key"
		key = long.Value
	}
	s, ok := scalarOf(key)
	if !ok {
		d.add(nodeSpot(pair.Key), path, "a key must be plain text, not %v", kindOf(key))
		return entry{}, false
	}
	return entry{key: s.text, at: nodeSpot(key), value: pair.Value}, true
}

// merged returns the entries that the value of a merge key ("<<") stands for: a map, or a list of maps of which
// earlier ones win (yaml.org/type/merge.html).
func (d *decoder) merged(n ast.Node, path string) []entry {
	if !d.spend(n) {
		return nil
	}
	at := child(path, "<<")
	n = d.follow(n, at)
	if n == nil {
		return nil
	}
	if isMap(n) {
		return d.entries(n, path)
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(nodeSpot(n), at, "merges a map or a list of maps, not %v", kindOf(n))
		return nil
	}
	var all []entry
	for _, item := range seq.Values {
		all = append(all, d.merged(item, path)...)
	}
	return all
}

// isMap reports whether n is a mapping.
func isMap(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

// pairs returns the keys and values of a mapping.
func pairs(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}
