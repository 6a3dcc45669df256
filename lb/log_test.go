package lb

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"fairlead/lb/termination"
)

// TestLoggingIsDocumented holds docs/logging.md to the code: every field and every cause is explained there.
func TestLoggingIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/logging.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(fieldNames(t), causeNames()...) {
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/logging.md does not explain %q", name)
		}
	}
}

func causeNames() []string {
	var names []string
	for _, c := range termination.All() {
		names = append(names, c.String())
	}
	return names
}

// fieldNames reads the values of the field constants from their source.
func fieldNames(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "log.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "field") {
			return true
		}
		v, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, v)
		return true
	})
	if len(names) < 20 {
		t.Fatalf("only %d field constants found", len(names))
	}
	return names
}
