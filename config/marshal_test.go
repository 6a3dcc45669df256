package config

import (
	"reflect"
	"strings"
	"testing"
)

// TestMarshal: what is written is read as the same, except for secrets.
func TestMarshal(t *testing.T) {
	for _, path := range files(t, "good") {
		c, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		for i := range c.Pools {
			if secret := c.Pools[i].Affinity.HashKey; secret != "" {
				if strings.Contains(string(text), secret.Reveal()) {
					t.Errorf("%s: a secret is written", path)
				}
				c.Pools[i].Affinity.HashKey = mask
			}
		}
		again, err := Parse(path, text)
		if err != nil {
			t.Errorf("%s: %v\n%s", path, err, text)
			continue
		}
		for _, x := range []*Config{c, again} { // an empty list is none
			for i := range x.Pools {
				if len(x.Pools[i].Affinity.Keys) == 0 {
					x.Pools[i].Affinity.Keys = nil
				}
			}
		}
		if a, err := Marshal(again); err != nil || string(a) != string(text) {
			t.Errorf("%s: written again it is\n%s\nnot\n%s", path, a, text)
		}
		if len(again.Listeners) != len(c.Listeners) || !reflect.DeepEqual(again.Pools[0].Health, c.Pools[0].Health) || !reflect.DeepEqual(again.DNS.Timeout, c.DNS.Timeout) {
			t.Errorf("%s: read again it is another", path)
		}
	}
}
