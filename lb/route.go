package lb

import (
	"bytes"
	"strings"
)

// Route sends what matches all its given fields to a pool.
type Route struct {
	Host       string // without port; "*.example.org" matches any name below it; empty matches all
	PathPrefix string // byte for byte; empty matches all
	SNI        string // as Host
	Pool       *Pool
}

// routes is a frontend's list of routes, prepared for matching without allocation.
type routes struct {
	list     []Route
	fallback *Pool // nil: refuse what no route matches
}

// newRoutes prepares list; names are compared in lower case.
func newRoutes(list []Route, fallback *Pool) routes {
	prepared := make([]Route, len(list))
	for i, r := range list {
		r.Host, r.SNI = strings.ToLower(r.Host), strings.ToLower(r.SNI)
		prepared[i] = r
	}
	return routes{list: prepared, fallback: fallback}
}

// find returns the pool of the first route that matches, or nil.
func (rs *routes) find(host, path []byte, sni string) *Pool {
	host = bytes.TrimSuffix(host, []byte{'.'}) // "example.org." is the same name (RFC 1034 section 3.1)
	for i := range rs.list {
		r := &rs.list[i]
		if r.Host != "" && !matchName(r.Host, host) {
			continue
		}
		if r.SNI != "" && !matchName(r.SNI, sni) {
			continue
		}
		if r.PathPrefix != "" && !bytes.HasPrefix(path, []byte(r.PathPrefix)) {
			continue
		}
		return r.Pool
	}
	return rs.fallback
}

// matchName reports whether name is pattern, or lies below it if pattern starts with "*.".
func matchName[T string | []byte](pattern string, name T) bool {
	if suffix, wild := strings.CutPrefix(pattern, "*"); wild {
		return len(name) > len(suffix) && equalFold(suffix, name[len(name)-len(suffix):])
	}
	return equalFold(pattern, name)
}

// equalFold compares lower-case ASCII with a name of any case, without allocating.
func equalFold[T string | []byte](lower string, name T) bool {
	if len(lower) != len(name) {
		return false
	}
	for i := range len(lower) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
