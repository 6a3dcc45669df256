package config

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/goccy/go-yaml"
)

const plain = "hunter2 of the edges"

// holder is a struct that people print without thinking of the secret in it.
type holder struct {
	Key  Secret            `yaml:"key"`
	Keys map[string]Secret `yaml:"keys"`
	Ptr  *Secret           `yaml:"ptr"`
}

func newHolder() holder {
	s := Secret(plain)
	return holder{Key: s, Keys: map[string]Secret{"a": s}, Ptr: &s}
}

func TestSecretIsMaskedByFmt(t *testing.T) {
	s := Secret(plain)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%U", "%c", "%20s", "%-20s", "%.3s", "%#q"} {
		for name, v := range map[string]any{"value": s, "pointer": &s, "struct": newHolder(), "slice": []Secret{s}, "key": map[Secret]int{s: 1}} {
			got := fmt.Sprintf(verb, v)
			hex := fmt.Sprintf("%x", plain)
			if strings.Contains(got, "hunter") || strings.Contains(strings.ToLower(strings.ReplaceAll(got, " ", "")), hex[:8]) {
				t.Errorf("%s of a %s prints %q", verb, name, got)
			}
		}
	}
	for verb, want := range map[string]string{"%v": mask, "%s": mask, "%q": `"` + mask + `"`, "%#v": `config.Secret("` + mask + `")`, "%8s": "  " + mask} {
		if got := fmt.Sprintf(verb, s); got != want {
			t.Errorf("%s gave %q, want %q", verb, got, want)
		}
	}
}

func TestSecretIsMaskedByEncoders(t *testing.T) {
	encoders := map[string]func(v any) ([]byte, error){
		"json": json.Marshal,
		"yaml": yaml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.Bytes(), err
		},
		"slog text": func(v any) ([]byte, error) {
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
			return b.Bytes(), nil
		},
		"slog json": func(v any) ([]byte, error) {
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
			return b.Bytes(), nil
		},
		"template": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := template.Must(template.New("").Parse("{{.}}")).Execute(&b, v)
			return b.Bytes(), err
		},
	}
	for name, encode := range encoders {
		for kind, v := range map[string]any{"value": Secret(plain), "struct": newHolder()} {
			got, err := encode(v)
			if err != nil {
				t.Errorf("%s of a %s: %v", name, kind, err)
			}
			if bytes.Contains(got, []byte("hunter")) {
				t.Errorf("%s of a %s gave %q", name, kind, got)
			}
		}
	}
	if got, err := xml.Marshal(Secret(plain)); err != nil || bytes.Contains(got, []byte("hunter")) {
		t.Errorf("xml gave %q, %v", got, err)
	}
	if got, err := (encoding.TextMarshaler)(Secret(plain)).MarshalText(); err != nil || string(got) != mask {
		t.Errorf("MarshalText = %q, %v", got, err)
	}
}

func TestSecretEmptyStaysEmpty(t *testing.T) {
	var s Secret
	if got := fmt.Sprintf("%v%s", s, s); got != "" {
		t.Errorf("printed %q", got)
	}
	if got := fmt.Sprintf("%#v", s); got != `config.Secret("")` {
		t.Errorf("%%#v printed %q", got)
	}
	if got, err := json.Marshal(s); err != nil || string(got) != `""` {
		t.Errorf("JSON %s, %v", got, err)
	}
	if got, err := yaml.Marshal(s); err != nil || strings.TrimSpace(string(got)) != `""` {
		t.Errorf("YAML %s, %v", got, err)
	}
}

func TestSecretReveal(t *testing.T) {
	if got := Secret(plain).Reveal(); got != plain {
		t.Errorf("Reveal = %q", got)
	}
}

// TestSecretStaysOutOfErrors writes the secret in every way that is wrong.
func TestSecretStaysOutOfErrors(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"number", "hash_key: 20242024"},
		{"list", "hash_key: [20242024]"},
		{"map", "hash_key: {key: 20242024}"},
		{"misspelt key", "hashkey: 20242024"},
		{"twice", "hash_key: 20242024, hash_key: 20242024"},
		{"tag", "hash_key: !secret 20242024"},
		{"open quote", `hash_key: "20242024`},
		{"beside a mistake", `hash_key: "20242024", ttl: x`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f.yml", []byte("pools:\n  - affinity: {"+c.text+"}\n"))
			if err == nil || strings.Contains(err.Error(), "20242024") {
				t.Errorf("error %v", err)
			}
		})
	}
}
