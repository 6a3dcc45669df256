package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Marshal writes a configuration as a file would say it: with every default that has a use, and secrets masked.
func Marshal(c *Config) ([]byte, error) {
	text, err := marshal(c)
	if err != nil {
		return nil, err
	}
	var whole yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(text, &whole, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	for _, path := range useless(text) {
		drop(whole, strings.Split(strings.ReplaceAll(path, "[", ".["), "."))
	}
	return marshal(whole)
}

func marshal(v any) ([]byte, error) {
	b, err := yaml.MarshalWithOptions(v,
		yaml.CustomMarshaler(func(d time.Duration) ([]byte, error) { return []byte(formatDuration(d)), nil }),
		yaml.CustomMarshaler(func(s Size) ([]byte, error) { return []byte(s.String()), nil }),
	)
	if err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return b, nil
}

// useless returns the paths of keys that have no use beside the others, and would be refused in a file.
func useless(text []byte) []string {
	r := newReport("")
	root, targets := tree(text, r)
	if root == nil {
		return nil
	}
	d := &decoder{report: r, targets: targets, marks: make(map[string]mark), budget: maxValues}
	v := validator{report: r, cfg: d.config(root), marks: d.marks}
	v.validate()
	return v.refused
}

// drop removes the key at a path ("pools", "[0]", "tls", "ca") from a tree of maps and lists, and returns what the tree is
// then.
func drop(at any, path []string) any {
	switch node := at.(type) {
	case yaml.MapSlice:
		i := slices.IndexFunc(node, func(item yaml.MapItem) bool { return item.Key == path[0] })
		switch {
		case i < 0:
		case len(path) == 1:
			return slices.Delete(node, i, i+1)
		default:
			node[i].Value = drop(node[i].Value, path[1:])
		}
		return node
	case []any:
		if n, err := strconv.Atoi(strings.Trim(path[0], "[]")); err == nil && n < len(node) && len(path) > 1 {
			node[n] = drop(node[n], path[1:])
		}
		return node
	}
	return at
}
