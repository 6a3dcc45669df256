package config

import (
	"fmt"
	"io"
	"strconv"
)

// mask stands for any secret that is not empty. Its length says nothing of the secret's.
const mask = "******"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns the mask, or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString masks %#v.
func (s Secret) GoString() string {
	return "config.Secret(" + strconv.Quote(s.String()) + ")"
}

// Format masks every verb: without it %x and %d would print the underlying text.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString()) // a fmt.State keeps write errors to itself
		return
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), s.String())
}

// MarshalText masks encoders of text: JSON, XML, slog, flag values and map keys.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON masks JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(strconv.Quote(s.String())), nil }

// MarshalYAML masks YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// MarshalBinary masks binary encoders such as gob.
func (s Secret) MarshalBinary() ([]byte, error) { return []byte(s.String()), nil }
