package config

import (
	"slices"
	"strings"
	"testing"
)

// TestReferenceDescribesEveryKey: each has a text, and what is known of it.
func TestReferenceDescribesEveryKey(t *testing.T) {
	keys, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	byPath := make(map[string]Described)
	for _, k := range keys {
		if k.Text == "" {
			t.Errorf("%s is not described", k.Path)
		}
		if _, twice := byPath[k.Path]; twice {
			t.Errorf("%s is there twice", k.Path)
		}
		byPath[k.Path] = k
	}
	for path, want := range map[string]Described{
		"listeners[]":                    {Required: true},
		"listeners[].bind[]":             {Required: true},
		"listeners[].tls.mode":           {Values: []string{"off", "terminate", "passthrough"}, Default: "off"},
		"listeners[].head.timeout":       {Default: "10s"},
		"pools[].backends[].address":     {Required: true},
		"shutdown.grace":                 {Default: "30s"},
		"listeners[].routes[].pool":      {Required: true},
		"listeners[].tls.certificates[]": {},
	} {
		got, ok := byPath[path]
		if !ok || got.Required != want.Required || got.Default != want.Default || want.Values != nil && !slices.Equal(got.Values, want.Values) {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
	if i := slices.IndexFunc(keys, func(k Described) bool { return strings.HasPrefix(k.Path, "pools[]") }); i < 10 {
		t.Errorf("pools come at %d, before listeners", i)
	}
}
