package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a configuration file.
type Error struct {
	File string
	// Line and Column say where it is, both counted from 1; columns count characters.
	Line, Column int
	// Path names the faulty value, as in listeners[0].bind[1]; empty: the file as a whole.
	Path string
	// Message says what is wrong and what would be right.
	Message string
}

// Error renders "file:line:column: path: message".
func (e Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.File, e.Line, e.Column, e.Path, e.Message)
}

// Errors is every mistake of a file, in the order of their places.
type Errors []Error

// Error renders one line for each mistake.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is see each mistake.
func (es Errors) Unwrap() []error {
	list := make([]error, len(es))
	for i, e := range es {
		list[i] = e
	}
	return list
}

// spot is a place in a file, both counted from 1.
type spot struct{ line, column int }

// report collects mistakes, and remembers which values have one: a rule that looks at such a value would only
// report the consequences.
type report struct {
	file   string
	errs   Errors
	seen   map[Error]struct{}
	broken map[string]struct{} // paths with a mistake
	within map[string]struct{} // paths that hold one with a mistake
}

func newReport(file string) *report {
	return &report{
		file:   file,
		seen:   make(map[Error]struct{}),
		broken: make(map[string]struct{}),
		within: make(map[string]struct{}),
	}
}

// add notes a mistake. The same one reached twice, through aliases, is noted once.
func (r *report) add(at spot, path, format string, args ...any) {
	r.spoil(path)
	e := Error{
		File: r.file, Line: max(at.line, 1), Column: max(at.column, 1),
		Path: path, Message: fmt.Sprintf(format, args...),
	}
	if _, dup := r.seen[e]; dup {
		return
	}
	r.seen[e] = struct{}{}
	r.errs = append(r.errs, e)
}

// spoil makes path count as faulty.
func (r *report) spoil(path string) {
	r.broken[path] = struct{}{}
	for up, ok := parent(path); ok; up, ok = parent(up) {
		r.within[up] = struct{}{}
	}
}

// sound reports whether neither the value at path, nor what it lies in, nor anything in it has a mistake.
func (r *report) sound(path string) bool {
	if _, holds := r.within[path]; holds {
		return false
	}
	for up, ok := path, true; ok; up, ok = parent(up) {
		if _, bad := r.broken[up]; bad {
			return false
		}
	}
	return true
}

// err returns the sorted mistakes, or nil.
func (r *report) err() error {
	if len(r.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errs, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.errs
}

// parent returns the path of what path lies in: a.b[1] gives a.b, then a. The whole file has none.
func parent(path string) (string, bool) {
	i := strings.LastIndexAny(path, ".[")
	if i < 0 {
		return "", path != ""
	}
	return path[:i], true
}

// child returns the path of key in the map at path.
func child(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// element returns the path of the i-th element of the list at path.
func element(path string, i int) string {
	return fmt.Sprintf("%s[%d]", path, i)
}
