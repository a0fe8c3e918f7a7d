package ring_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
)

// handled are the files that shares, keys or key streams go through, and the
// functions in them that may branch on words, because those are public.
var handled = []struct {
	path   string
	files  []string // all if nil
	public map[string]string
}{
	{path: "ring", public: map[string]string{
		"Ring.Inverse": "asked of differences of points",
		"Unpack":       padding, "Lanes.UnpackWords": padding,
	}},
	{path: "ring/wide", public: map[string]string{"Unpack": padding}},
	{path: "ring/negacyclic", files: []string{"fields.go", "packed.go", "secret.go"}},
	{path: "sharing", public: map[string]string{
		"Code.OpenIntegers": openings, "Code.Integers": openings, "Code.open": openings, "Code.OpenWords": openings,
		"plan.check": openings, "plan.write": openings, "field.decode": openings, "field.solve": openings, "field.divide": openings,
		"Code.DecodeWide": openings, "Code.openWide": openings, "differ": openings,
	}},
	{path: "prss", files: []string{"source.go", "reader.go", "run.go", "wide.go", "noise.go"}},
	{path: "protocol/decrypt", public: map[string]string{
		"digits.addGenerate": openings, "digits.addPropagate": openings, "lifter.lift": openings, "Flooding.finish": openings,
	}},
	{path: "reencrypt", files: []string{"signcrypt.go"}, public: map[string]string{
		"Recipient.Signcrypt": "that a coefficient exceeds the ring, which none of a share does",
	}},
	{path: "protocol/preproc", files: []string{"section.go", "deal.go", "digits.go", "packed.go", "bulk.go", "outer.go", "wide.go"}, public: map[string]string{
		"Section.open": openings, "Section.finish": openings, "bitRoot": openings,
		"Section.openNarrow": openings, "Section.openWide": openings, "firstOdd": openings, "firstOddWide": openings,
	}},
	{path: "protocol/reshare", files: []string{"masks.go", "vector.go", "combine.go"}, public: map[string]string{
		"Config.shown": "that something is shared where there is room for no integer, which masks never do",
	}},
}

const padding = "the padding of received bytes"

const openings = "values and shares of openings, which everybody sees"

// TestCodeThatHandlesSharesDoesNotBranchOnThem fails where a condition, an index, a
// bound, a division or a shift's distance depends on a word read from a vector.
func TestCodeThatHandlesSharesDoesNotBranchOnThem(t *testing.T) {
	for _, h := range handled {
		t.Run(h.path, func(t *testing.T) {
			used := map[string]bool{}
			for _, f := range analyse(t, "../"+h.path, h.files) {
				if h.public[f.function] == "" {
					t.Errorf("%s: %s depends on a secret in %s", f.position, f.what, f.function)
				}
				used[f.function] = true
			}
			for name := range h.public {
				if !used[name] {
					t.Errorf("%s needs no exception", name)
				}
			}
		})
	}
}

func TestEveryLeakOfTheFixtureIsFound(t *testing.T) {
	const dir = "testdata/leaky"
	var got, want []string
	for _, f := range analyse(t, dir, nil) {
		got = append(got, line(f.position.Line, f.what))
	}
	_, files := parse(t, dir, nil)
	for _, f := range files {
		for _, group := range f.Comments {
			for _, c := range group.List {
				if what, ok := strings.CutPrefix(c.Text, "// found: "); ok {
					want = append(want, line(fileSet.Position(c.Pos()).Line, what))
				}
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 16 || !slices.Equal(got, want) {
		t.Errorf("found\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// finding is a place where what happens depends on a secret word.
type finding struct {
	position token.Position
	what     string
	function string
}

// taint follows words through one function. Every word of a vector is secret, and
// every scalar word that a function is given; what a call computes from secrets or
// vectors is too, unless it is an error, for which the callee answers.
type taint struct {
	info    *types.Info
	secret  map[types.Object]bool
	changed bool
	report  func(n ast.Node, what string)
}

func (c *taint) function(fn *ast.FuncDecl) {
	given := fn.Type.Params.List
	if fn.Recv != nil {
		given = append(fn.Recv.List, given...)
	}
	for _, field := range given {
		for _, name := range field.Names {
			if obj := c.info.Defs[name]; obj != nil && word(obj.Type()) {
				c.secret[obj] = true
			}
		}
	}
	for c.changed = true; c.changed; { // to a fixed point
		c.changed = false
		ast.Inspect(fn.Body, func(n ast.Node) bool { c.flow(n); return true })
	}
	ast.Inspect(fn.Body, func(n ast.Node) bool { c.check(n); return true })
}

// flow marks what a statement makes secret.
func (c *taint) flow(n ast.Node) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if len(n.Rhs) == len(n.Lhs) {
				c.mark(to, c.is(n.Rhs[i]))
			} else {
				t := c.info.TypeOf(to) // nil of a blank
				c.mark(to, t != nil && c.is(n.Rhs[0]) && scalar(t))
			}
		}
	case *ast.ValueSpec:
		for i, to := range n.Names {
			if len(n.Values) == len(n.Names) {
				c.mark(to, c.is(n.Values[i]))
			}
		}
	case *ast.RangeStmt:
		if n.Value != nil {
			c.mark(n.Value, c.is(n.X) || vector(c.info.TypeOf(n.X)) && word(c.info.TypeOf(n.Value)))
		}
		if n.Key != nil {
			c.mark(n.Key, c.is(n.X) && word(c.info.TypeOf(n.X)))
		}
	}
}

// mark makes the variable or field that e stores to secret.
func (c *taint) mark(e ast.Expr, secret bool) {
	var obj types.Object
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		obj = c.info.ObjectOf(e)
	case *ast.SelectorExpr:
		obj = c.info.ObjectOf(e.Sel)
	case *ast.IndexExpr:
		c.mark(e.X, secret && !vector(c.info.TypeOf(e.X)))
		return
	}
	if secret && obj != nil && scalar(obj.Type()) && !c.secret[obj] {
		c.secret[obj], c.changed = true, true
	}
}

// is reports whether the value of e is secret.
func (c *taint) is(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		obj := c.info.ObjectOf(e)
		_, variable := obj.(*types.Var)
		return c.secret[obj] || variable && array(obj.Type())
	case *ast.SelectorExpr:
		obj := c.info.ObjectOf(e.Sel)
		_, variable := obj.(*types.Var)
		return c.secret[obj] || variable && array(obj.Type()) ||
			word(c.info.TypeOf(e)) && c.info.Selections[e] != nil && (vector(c.info.TypeOf(e.X)) || words(c.info.TypeOf(e.X)) && c.is(e.X))
	case *ast.IndexExpr:
		return vector(c.info.TypeOf(e.X)) && scalar(c.info.TypeOf(e)) || c.is(e.X) || c.is(e.Index)
	case *ast.ParenExpr:
		return c.is(e.X)
	case *ast.UnaryExpr:
		return c.is(e.X)
	case *ast.StarExpr:
		return c.is(e.X) || array(c.info.TypeOf(e))
	case *ast.BinaryExpr:
		return c.is(e.X) || c.is(e.Y)
	case *ast.CompositeLit:
		return array(c.info.TypeOf(e)) || words(c.info.TypeOf(e)) && slices.ContainsFunc(e.Elts, c.element)
	case *ast.CallExpr:
		return c.call(e)
	}
	return false
}

// element reports whether an element of a composite literal is secret.
func (c *taint) element(e ast.Expr) bool {
	if pair, ok := e.(*ast.KeyValueExpr); ok {
		e = pair.Value
	}
	return c.is(e)
}

func (c *taint) call(e *ast.CallExpr) bool {
	kind := c.info.Types[e.Fun]
	if kind.IsType() {
		return c.is(e.Args[0])
	}
	if kind.IsBuiltin() && !c.builtin(e, "min", "max") {
		return false
	}
	t := c.info.TypeOf(e)
	if tuple, ok := t.(*types.Tuple); !ok && !scalar(t) || ok && tuple.Len() == 0 {
		return false
	}
	for _, a := range e.Args {
		if c.is(a) || vector(c.info.TypeOf(a)) {
			return true
		}
	}
	if f, ok := e.Fun.(*ast.SelectorExpr); ok && c.info.Selections[f] != nil {
		return c.is(f.X)
	}
	return false
}

func (c *taint) builtin(e *ast.CallExpr, names ...string) bool {
	id, ok := e.Fun.(*ast.Ident)
	return ok && c.info.Types[e.Fun].IsBuiltin() && slices.Contains(names, id.Name)
}

// check reports what a secret must not decide.
func (c *taint) check(n ast.Node) {
	must := func(e ast.Expr, what string) {
		if e != nil && c.is(e) {
			c.report(e, what)
		}
	}
	switch n := n.(type) {
	case *ast.IfStmt:
		must(n.Cond, "if")
	case *ast.ForStmt:
		must(n.Cond, "for")
	case *ast.RangeStmt:
		if word(c.info.TypeOf(n.X)) {
			must(n.X, "range")
		}
	case *ast.SwitchStmt:
		must(n.Tag, "switch")
	case *ast.CaseClause:
		for _, e := range n.List {
			must(e, "case")
		}
	case *ast.IndexExpr:
		must(n.Index, "index")
	case *ast.SliceExpr:
		for _, e := range []ast.Expr{n.Low, n.High, n.Max} {
			must(e, "slice")
		}
	case *ast.BinaryExpr:
		c.operator(n.Op, n.X, n.Y)
	case *ast.AssignStmt:
		if len(n.Lhs) == 1 && n.Tok >= token.ADD_ASSIGN && n.Tok <= token.AND_NOT_ASSIGN {
			c.operator(n.Tok-token.ADD_ASSIGN+token.ADD, n.Lhs[0], n.Rhs[0])
		}
	case *ast.CallExpr:
		if c.builtin(n, "min", "max", "make") && slices.ContainsFunc(n.Args, c.is) {
			c.report(n, n.Fun.(*ast.Ident).Name)
		}
	}
}

func (c *taint) operator(op token.Token, x, y ast.Expr) {
	switch op {
	case token.LAND, token.LOR, token.QUO, token.REM:
		if c.is(x) || c.is(y) {
			c.report(x, op.String())
		}
	case token.SHL, token.SHR:
		if c.is(y) {
			c.report(y, "shift")
		}
	}
}

// word reports whether t is an unsigned number of a fixed size, as shares, keys and
// key streams consist of, or a struct of such numbers. Another type with a name of its
// own is something else.
func word(t types.Type) bool {
	b, ok := types.Unalias(t).(*types.Basic)
	return ok && (b.Kind() == types.Uint64 || b.Kind() == types.Uint32 || b.Kind() == types.Uint8) || words(t)
}

// words reports whether t is a struct of words.
func words(t types.Type) bool {
	s, ok := t.Underlying().(*types.Struct)
	if !ok {
		return false
	}
	for field := range s.Fields() {
		if !word(field.Type()) {
			return false
		}
	}
	return s.NumFields() > 0
}

// array reports whether t is an array of words, at any depth.
func array(t types.Type) bool {
	a, ok := t.Underlying().(*types.Array)
	return ok && (word(a.Elem()) || array(a.Elem()))
}

// vector reports whether t is an array or slice of words, a pointer to one or to a
// struct of words, or a slice of vectors.
func vector(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return vector(u.Elem()) || words(u.Elem())
	case *types.Slice:
		return word(u.Elem()) || vector(u.Elem())
	}
	return array(t)
}

// scalar reports whether t is a number, a bool, a struct of words or an array of words.
func scalar(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&(types.IsInteger|types.IsBoolean) != 0 || array(t) || words(t)
}
