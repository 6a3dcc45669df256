package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
)

// SourceKind says where the backends come from that an entry stands for.
type SourceKind uint8

// Kinds of sources.
const (
	NoSource   SourceKind = iota // the entry is a backend itself
	SourceA                      // one for each address of a name
	SourceSRV                    // one for each SRV record of a name (RFC 2782)
	SourceFile                   // those of a watched file
)

var sourcePrefixes = [...]string{SourceA: "dns+a:", SourceSRV: "dns+srv:", SourceFile: "file:"}

// Source returns what kind of source the entry is, and what stands behind the prefix: "host:port", a name, or a path.
func (b *Backend) Source() (SourceKind, string) {
	for kind, prefix := range sourcePrefixes {
		if rest, ok := strings.CutPrefix(b.Address, prefix); ok && prefix != "" {
			return SourceKind(kind), rest //nolint:gosec // a handful
		}
	}
	return NoSource, b.Address
}

// unknownSource reports an address that was meant to be a source: host names have no plus sign, and ports no slash.
func unknownSource(s string) error {
	word, rest, _ := strings.Cut(s, ":")
	if !strings.Contains(word, "+") && (!strings.EqualFold(word, "file") || !strings.HasPrefix(rest, "/")) {
		return nil
	}
	allowed := sourcePrefixes[SourceA:]
	return fmt.Errorf("%s is no source of backends; allowed: %s%s", shorten(word+":"), strings.Join(allowed, ", "), maybe(word+":", allowed))
}

// checkSource reports what keeps an address from being that of a source, and returns its one form.
func checkSource(kind SourceKind, rest string) (string, error) {
	prefix := sourcePrefixes[kind]
	switch kind {
	case SourceA:
		a, err := parseBackendAddress(rest)
		if err != nil {
			return "", fmt.Errorf("what stands behind %s %w", prefix, err)
		}
		if _, err := netip.ParseAddr(a.host); err == nil || a.unix != "" {
			return "", fmt.Errorf("%v is an address and no name; leave out %s", a, prefix)
		}
		return prefix + a.String(), nil
	case SourceSRV:
		name := strings.TrimSuffix(rest, ".")
		if name == "" {
			return "", errors.New(`names nothing; write "dns+srv:_service._tcp.example.org"`)
		}
		if host, _, ported := strings.Cut(name, ":"); ported {
			return "", fmt.Errorf(`%s has a port; SRV records tell the ports, so write "%s%s"`, shorten(name), prefix, host)
		}
		return prefix + strings.ToLower(name), checkHostName(name)
	case SourceFile:
		if !filepath.IsAbs(rest) {
			return "", fmt.Errorf(`%s is not an absolute path; write "file:/etc/fairlead/backends.yaml"`, shorten(rest))
		}
		return prefix + filepath.Clean(rest), nil
	case NoSource:
	}
	return rest, nil
}

// backendsFile is a file of backends.
type backendsFile struct {
	// Backends are those of the file; none is none.
	Backends []Backend `yaml:"backends"`
}

// LoadBackends reads and validates a file of backends: a map whose one key, backends, is a list as a pool has it, without
// sources. It may be empty. Errors are as of Load.
func LoadBackends(path string) ([]Backend, error) {
	data, err := readFile(path, "backends")
	if err != nil {
		return nil, err
	}
	return ParseBackends(path, data)
}

// ParseBackends validates the file of backends in data; name stands for it in errors.
func ParseBackends(name string, data []byte) ([]Backend, error) {
	r := newReport(name)
	root, targets := tree(data, r)
	if root == nil {
		return nil, r.err()
	}
	d := &decoder{report: r, targets: targets, marks: make(map[string]mark), budget: maxValues}
	var file backendsFile
	d.structure(root, reflect.ValueOf(&file).Elem(), "")
	if !d.given("backends") && r.sound("backends") {
		d.add(nodeSpot(root), "backends", "is missing; give a list of backends, [] for none")
	}
	for i := range file.Backends {
		file.Backends[i].complete()
	}
	v := validator{report: r, marks: d.marks}
	v.listed("backends", file.Backends)
	for i := range file.Backends {
		if kind, _ := file.Backends[i].Source(); kind != NoSource {
			v.fail(child(element("backends", i), "address"), "is a source; a file lists backends themselves")
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return file.Backends, nil
}
