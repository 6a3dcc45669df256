package config

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"
)

// TestRulesNameFields finds rules of fields that do not exist.
func TestRulesNameFields(t *testing.T) {
	known := make(map[string]bool)
	for _, st := range structs(reflect.TypeFor[Config]()) {
		keys, _ := yamlFields(st)
		for _, key := range keys {
			if key == "" {
				t.Errorf("a field of %v has no key", st)
			}
			known[ruleName(st, key)] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if !known[name] {
			t.Errorf("there is a rule for %s and no such field", name)
		}
	}
}

// TestNumbersHaveBounds finds numbers that nothing bounds.
func TestNumbersHaveBounds(t *testing.T) {
	for _, st := range structs(reflect.TypeFor[Config]()) {
		keys, index := yamlFields(st)
		for _, key := range keys {
			switch st.Field(index[key]).Type.Kind() {
			case reflect.Int, reflect.Int64, reflect.Float64:
				if r := rules[ruleName(st, key)]; r.most <= r.least {
					t.Errorf("%s has no bounds", ruleName(st, key))
				}
			}
		}
	}
}

// TestTypesWithFewValuesAreEnumerated finds a named text type that would take any text.
func TestTypesWithFewValuesAreEnumerated(t *testing.T) {
	for _, st := range structs(reflect.TypeFor[Config]()) {
		for i := range st.NumField() {
			ft := st.Field(i).Type
			if ft.Kind() != reflect.String || ft == reflect.TypeFor[string]() || ft == reflect.TypeFor[Secret]() {
				continue
			}
			if len(enums[ft]) == 0 {
				t.Errorf("the values of %v are not listed", ft)
			}
		}
	}
}

// TestDefaultsKeepTheRules decodes nothing: what a file leaves out must itself be allowed.
func TestDefaultsKeepTheRules(t *testing.T) {
	for _, st := range structs(reflect.TypeFor[Config]()) {
		preset := defaultOf(st)
		if !preset.IsValid() {
			continue
		}
		keys, index := yamlFields(st)
		for _, key := range keys {
			v, r := preset.Field(index[key]), rules[ruleName(st, key)]
			switch v.Kind() {
			case reflect.Int, reflect.Int64:
				if err := inRange(v.Type(), v.Int(), r); err != nil {
					t.Errorf("%s: %v", ruleName(st, key), err)
				}
			case reflect.String:
				allowed := r.enum
				if e := enums[v.Type()]; e != nil {
					allowed = e
				}
				if allowed != nil && !slices.Contains(allowed, v.String()) {
					t.Errorf("%s: %q is not one of %q", ruleName(st, key), v, allowed)
				}
			}
		}
	}
}

func TestBoundsText(t *testing.T) {
	for _, c := range []struct {
		name string
		rule rule
		typ  reflect.Type
		want string
	}{
		{"number", rule{least: 1, most: 1000}, reflect.TypeFor[int](), "1 to 1000"},
		{"size", rule{least: 1 << 10, most: 1 << 20}, reflect.TypeFor[Size](), "1KiB to 1MiB"},
		{"duration", deadline, reflect.TypeFor[time.Duration](), "1ms to 365d"},
		{"duration or off", keepalive, reflect.TypeFor[time.Duration](), "0 (off), or 1s to 9h"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.rule.bounds(c.typ); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
