package ring_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var fileSet = token.NewFileSet()

// parse returns the package's files without tests, and those that are asked for.
func parse(t *testing.T, dir string, names []string) (all, wanted []*ast.File) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no Go files in %s: %v", dir, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fileSet, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
		if names == nil || slices.Contains(names, filepath.Base(path)) {
			wanted = append(wanted, f)
		}
	}
	if names != nil && len(wanted) != len(names) {
		t.Fatalf("%s: not all of %v are there", dir, names)
	}
	return all, wanted
}

// analyse returns the findings in the package's files.
func analyse(t *testing.T, dir string, names []string) []finding {
	t.Helper()
	all, wanted := parse(t, dir, names)
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{},
		Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	conf := types.Config{Importer: importer.ForCompiler(fileSet, "gc", exports(t, dir))}
	if _, err := conf.Check(dir, fileSet, all, info); err != nil {
		t.Fatal(err)
	}
	var out []finding
	for _, f := range wanted {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				c := taint{info: info, secret: map[types.Object]bool{}, report: func(n ast.Node, what string) {
					out = append(out, finding{fileSet.Position(n.Pos()), what, name(fn)})
				}}
				c.function(fn)
			}
		}
	}
	return out
}

// name returns Type.Method or the function's name.
func name(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	return types.ExprString(t) + "." + fn.Name.Name
}

func line(number int, what string) string { return fmt.Sprintf("%4d: %s", number, what) }

// exports finds the compiled form of what the package imports.
func exports(t *testing.T, dir string) importer.Lookup {
	t.Helper()
	command := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", ".")
	command.Dir = dir
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	files := map[string]string{}
	for row := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(row), "\t")
		files[path] = file
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}
