package determinism

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// Finding is one place where the result may depend on the machine.
type Finding struct {
	Position token.Position
	Text     string
}

// String implements fmt.Stringer.
func (f Finding) String() string { return fmt.Sprintf("%s: %s", f.Position, f.Text) }

// packagesBarred may not be imported. A path ending in a slash bars all below it.
var packagesBarred = []string{
	"crypto/rand", "log", "log/", "math/cmplx", "math/rand", "math/rand/", "net", "net/", "os", "os/",
	"path/filepath", "runtime", "runtime/", "syscall", "unsafe",
}

// functionsBarred by their full names.
var functionsBarred = []string{
	"context.WithDeadline", "context.WithDeadlineCause", "context.WithTimeout", "context.WithTimeoutCause",
	"maps.All", "maps.Keys", "maps.Values",
	"(reflect.Value).MapKeys", "(reflect.Value).MapRange", "(reflect.Value).Seq", "(reflect.Value).Seq2",
	"(*sync.Map).Range",
	"time.After", "time.AfterFunc", "time.NewTicker", "time.NewTimer", "time.Now", "time.Since", "time.Sleep",
	"time.Tick", "time.Until", "(time.Time).Local",
}

// Inspect returns what it finds in the files of a package that are not generated,
// in their order. The package is loaded with its syntax and types.
func Inspect(p *packages.Package) []Finding {
	var found []Finding
	for _, file := range p.Syntax {
		if ast.IsGenerated(file) {
			continue
		}
		report := func(at ast.Node, text string) {
			found = append(found, Finding{p.Fset.Position(at.Pos()), text})
		}
		for _, spec := range file.Imports {
			if path := strings.Trim(spec.Path.Value, `"`); barred(path) {
				report(spec, "imports "+path)
			}
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if node == nil || isSorted(p.TypesInfo, node) {
				return false
			}
			inspect(p.TypesInfo, node, report)
			return true
		})
	}
	return found
}

func barred(path string) bool {
	return slices.ContainsFunc(packagesBarred, func(b string) bool {
		return path == b || strings.HasSuffix(b, "/") && strings.HasPrefix(path, b)
	})
}

func inspect(info *types.Info, node ast.Node, report func(ast.Node, string)) {
	switch n := node.(type) {
	case *ast.GoStmt:
		report(n, "starts a goroutine")
	case *ast.SelectStmt:
		report(n, "selects among channels")
	case *ast.RangeStmt:
		if isMap(info.TypeOf(n.X)) {
			report(n, "ranges over a map")
		}
	case *ast.Ident:
		if f, ok := info.Uses[n].(*types.Func); ok && slices.Contains(functionsBarred, f.FullName()) {
			report(n, "uses "+f.FullName())
		}
	}
	if expression, ok := node.(ast.Expr); ok && isFloat(info.Types[expression]) {
		report(node, "computes in floating point")
	}
}

// isSorted is true of slices.Sorted(maps.Keys(m)), the way to walk a map in one order.
func isSorted(info *types.Info, node ast.Node) bool {
	outer, ok := node.(*ast.CallExpr)
	if !ok || len(outer.Args) != 1 || called(info, outer) != "slices.Sorted" {
		return false
	}
	inner, ok := outer.Args[0].(*ast.CallExpr)
	if !ok || len(inner.Args) != 1 || called(info, inner) != "maps.Keys" {
		return false
	}
	_, plain := inner.Args[0].(*ast.Ident)
	return plain
}

func called(info *types.Info, call *ast.CallExpr) string {
	if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
		if f, ok := info.Uses[selector.Sel].(*types.Func); ok {
			return f.FullName()
		}
	}
	return ""
}

// isMap is true of a type parameter that admits a map, too.
func isMap(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Map:
		return true
	case *types.Interface:
		for embedded := range u.EmbeddedTypes() {
			union, ok := embedded.(*types.Union)
			if !ok {
				if isMap(embedded) {
					return true
				}
				continue
			}
			for term := range union.Terms() {
				if isMap(term.Type()) {
					return true
				}
			}
		}
	}
	return false
}

// isFloat leaves constants such as 1e6 alone that become integers.
func isFloat(value types.TypeAndValue) bool {
	if value.Type == nil || !value.IsValue() && !value.IsType() {
		return false
	}
	basic, ok := value.Type.Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0 && basic.Info()&types.IsUntyped == 0
}
