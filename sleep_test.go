package fairlead_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestNobodyWaitsBySleeping finds tests that sleep and then take for granted that something has happened: on a busy machine
// it has not. Two uses are good: in a testing/synctest bubble, where time.Sleep moves the clock, and in a loop that looks
// again and again for what nobody reports. (The linter finds the sleeps of other code.)
func TestNobodyWaitsBySleeping(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			return checkSleeps(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkSleeps(t *testing.T, path string) error {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	if imports(file, "testing/synctest") {
		return nil
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if _, loop := n.(*ast.ForStmt); loop {
			return false
		}
		call, ok := n.(*ast.SelectorExpr)
		if !ok || call.Sel.Name != "Sleep" {
			return true
		}
		if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "time" {
			t.Errorf("%s: time.Sleep outside of a loop and of a synctest bubble", files.Position(call.Pos()))
		}
		return true
	})
	return nil
}

func imports(file *ast.File, path string) bool {
	for _, i := range file.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil && p == path {
			return true
		}
	}
	return false
}
