package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// kind says what sort of value a file has at a place.
type kind uint8

const (
	other kind = iota
	text
	number
	truth
	nothing
	sequence
	mapping
)

// String names the kind within a sentence.
func (k kind) String() string {
	return [...]string{"an anchor, alias or tag", "text", "a number", "true or false", "an empty value", "a list", "a map"}[k]
}

// scalar is a leaf as it was written.
type scalar struct {
	text   string
	kind   kind
	quoted bool
}

// scalarOf returns n as a leaf.
func scalarOf(n ast.Node) (scalar, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		quoted := n.Token.Type == token.DoubleQuoteType || n.Token.Type == token.SingleQuoteType
		return scalar{n.Value, text, quoted}, true
	case *ast.LiteralNode:
		return scalar{n.Value.Value, text, true}, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return scalar{text: n.GetToken().Value, kind: number}, true
	case *ast.BoolNode:
		return scalar{text: n.GetToken().Value, kind: truth}, true
	case *ast.NullNode:
		return scalar{text: n.GetToken().Value, kind: nothing}, true
	}
	return scalar{}, false
}

// kindOf names the kind of n.
func kindOf(n ast.Node) kind {
	if s, ok := scalarOf(n); ok {
		return s.kind
	}
	switch {
	case isMap(n):
		return mapping
	case n != nil && n.Type() == ast.SequenceType:
		return sequence
	}
	return other
}

// isLeaf reports whether a value of type t is written as a scalar.
func isLeaf(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[netip.Prefix](), reflect.TypeFor[netip.Addr]():
		return true
	}
	return t.Kind() != reflect.Slice && t.Kind() != reflect.Struct
}

// leaf decodes a scalar.
func (d *decoder) leaf(n ast.Node, v reflect.Value, path string, r rule) {
	s, ok := scalarOf(n)
	switch {
	case !ok:
		d.add(nodeSpot(n), path, "must be %s, not %v", wanted(v.Type()), kindOf(n))
		return
	case s.kind == nothing:
		d.add(nodeSpot(n), path, "has no value; give %s, or remove the key", wanted(v.Type()))
		return
	}
	if e := enums[v.Type()]; e != nil {
		r.enum = e
	}
	if err := setLeaf(v, s, r); err != nil {
		d.add(nodeSpot(n), path, "%v", err)
	}
}

// wanted says how a value of type t is written.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration as in 10s"
	case reflect.TypeFor[Size]():
		return "a size as in 16KiB"
	case reflect.TypeFor[netip.Prefix]():
		return "a network as in 10.0.0.0/8"
	case reflect.TypeFor[netip.Addr]():
		return "an IP address"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	default:
		return "text"
	}
}

// setLeaf sets v to what s says.
func setLeaf(v reflect.Value, s scalar, r rule) error {
	switch target := v.Addr().Interface().(type) {
	case *time.Duration:
		return setNumber(v, r, s, ParseDuration)
	case *Size:
		return setNumber(v, r, s, ParseSize)
	case *netip.Prefix:
		return setText(target, s, parsePrefix)
	case *netip.Addr:
		return setText(target, s, parseSource)
	case *Secret:
		if s.kind != text { // and say nothing of the value
			return errors.New("must be text; put it in quotes")
		}
		*target = Secret(s.text)
		return nil
	}
	switch v.Kind() {
	case reflect.Bool:
		return setBool(v, s)
	case reflect.Int:
		return setInt(v, r, s)
	case reflect.Float64:
		return setFloat(v, r, s)
	default:
		return setString(v, s, r)
	}
}

func setText[T any](target *T, s scalar, parse func(string) (T, error)) error {
	value, err := parse(s.text)
	if err == nil {
		*target = value
	}
	return err
}

func setNumber[T ~int64](v reflect.Value, r rule, s scalar, parse func(string) (T, error)) error {
	n, err := parse(s.text)
	if err != nil {
		return err
	}
	if err := inRange(v.Type(), int64(n), r); err != nil {
		return err
	}
	v.SetInt(int64(n))
	return nil
}

func setInt(v reflect.Value, r rule, s scalar) error {
	if s.quoted && decimal(s.text) {
		return fmt.Errorf("must be a number, not text; remove the quotes around %s", s.text)
	}
	// 0x10, 012 and 1_000 mean different numbers to different readers of YAML.
	if !decimal(s.text) {
		return fmt.Errorf("must be a whole number in decimal digits, not %s; allowed: %s", shorten(s.text), r.bounds(v.Type()))
	}
	n, err := strconv.ParseInt(s.text, 10, 64)
	if err != nil {
		return fmt.Errorf("%s is out of range; allowed: %s", shorten(s.text), r.bounds(v.Type()))
	}
	if err := inRange(v.Type(), n, r); err != nil {
		return err
	}
	v.SetInt(n)
	return nil
}

// decimal reports whether s is a whole number without leading zeros.
func decimal(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == "" && (digits == "0" || digits[0] != '0')
}

func inRange(t reflect.Type, n int64, r rule) error {
	if n >= r.least && n <= r.most || r.orZero && n == 0 {
		return nil
	}
	return fmt.Errorf("%s is out of range; allowed: %s", quantity(t, n), r.bounds(t))
}

func setFloat(v reflect.Value, r rule, s scalar) error {
	x, err := strconv.ParseFloat(s.text, 64)
	if err == nil && s.quoted {
		return fmt.Errorf("must be a number, not text; remove the quotes around %s", s.text)
	}
	if err != nil || math.IsNaN(x) {
		return fmt.Errorf("must be a number, not %s; allowed: %s", shorten(s.text), r.bounds(v.Type()))
	}
	if (x < float64(r.least) || x > float64(r.most)) && (!r.orZero || x != 0) {
		return fmt.Errorf("%s is out of range; allowed: %s", s.text, r.bounds(v.Type()))
	}
	v.SetFloat(x)
	return nil
}

func setBool(v reflect.Value, s scalar) error {
	if s.kind != truth {
		hint := ""
		switch strings.ToLower(s.text) {
		case "on", "yes", "y", "1":
			hint = ` (did you mean "true"?)`
		case "off", "no", "n", "0":
			hint = ` (did you mean "false"?)`
		case "true", "false":
			hint = "; remove the quotes"
		}
		return fmt.Errorf("must be true or false, not %s%s", shorten(s.text), hint)
	}
	v.SetBool(strings.EqualFold(s.text, "true"))
	return nil
}

func setString(v reflect.Value, s scalar, r rule) error {
	if len(r.enum) > 0 && !slices.Contains(r.enum, s.text) {
		return fmt.Errorf("%s is not known; allowed: %s%s", shorten(s.text), strings.Join(r.enum, ", "), maybeEnum(s, r.enum))
	}
	if s.kind != text {
		return fmt.Errorf(`must be text, not %v; put it in quotes: "%s"`, s.kind, s.text)
	}
	if strings.ContainsFunc(s.text, unicode.IsControl) {
		return fmt.Errorf("%s holds a control character", shorten(s.text))
	}
	v.SetString(s.text)
	return nil
}

// maybeEnum is maybe, and knows what a switch is elsewhere called.
func maybeEnum(s scalar, allowed []string) string {
	meant := map[string]string{"false": "off", "no": "off", "true": "on", "yes": "on", "on": "on"}[strings.ToLower(s.text)]
	if meant == "on" && slices.Contains(allowed, string(SwitchAuto)) {
		meant = string(SwitchAuto)
	}
	if slices.Contains(allowed, meant) {
		return fmt.Sprintf(" (did you mean %q?)", meant)
	}
	return maybe(s.text, allowed)
}

// parsePrefix reads a network; a lone address is a network of one. IPv4-mapped IPv6 counts as the IPv4 it is, since
// addresses are compared in that form.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%s is not a network; write it as in 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1", shorten(s))
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%s is wider than IPv4-mapped addresses are; write the IPv4 network as in 10.0.0.0/8", shorten(s))
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%s has bits set beyond its prefix; the network is %v", shorten(s), p.Masked())
	}
	return p, nil
}

// parseSource reads a local address to connect from.
func parseSource(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%s is not an IP address; write it as in 10.0.0.2 or 2001:db8::2", shorten(s))
	}
	if a = a.Unmap(); a.IsUnspecified() || a.IsMulticast() {
		return netip.Addr{}, fmt.Errorf("%s cannot be connected from; name an address of this machine", shorten(s))
	}
	return a, nil
}
