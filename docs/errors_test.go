// Package docs checks the pages against the sources.
package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// codespaces are the folders that register error codes, with their codespaces and
// whose they are.
var codespaces = []struct{ name, folder, title string }{
	{"lane", "../app/ante", "who may send a transaction, and who pays"},
	{"poa", "../x/poa/types", "validators"},
	{"parties", "../x/parties/types", "parties, committees, epochs"},
	{"acl", "../x/acl/types", "host chains, headers, proofs"},
	{"kms", "../x/kms/types", "keys, requests, results"},
	{"certificate", "../x/kms/certificate", "certificates, checked without a node"},
}

const (
	begin = "<!-- generated: UPDATE_DOCS=1 go test ./docs -->"
	end   = "<!-- end of generated -->"
)

// TestErrorCodesAreThoseOfTheSources compares the tables with the sources, or
// writes them if UPDATE_DOCS is set.
func TestErrorCodesAreThoseOfTheSources(t *testing.T) {
	var want strings.Builder
	for _, c := range codespaces {
		fmt.Fprintf(&want, "\n### `%s`: %s\n\n| code | name | text |\n|---|---|---|\n", c.name, c.title)
		rows := registered(t, c.folder)
		if len(rows) == 0 {
			t.Fatalf("%s registers no error", c.folder)
		}
		for _, r := range rows {
			fmt.Fprintf(&want, "| %s/%d | `%s` | %s |\n", c.name, r.code, r.name, strings.ReplaceAll(r.text, "|", `\|`))
		}
	}
	want.WriteString("\n")
	raw, err := os.ReadFile("errors.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(raw), begin)
	got, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("errors.md has no generated part")
	}
	if got == "\n"+want.String() {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatal("errors.md is not that of the sources: run 'UPDATE_DOCS=1 go test ./docs'")
	}
	if err := os.WriteFile("errors.md", []byte(head+begin+"\n"+want.String()+end+tail), 0o600); err != nil {
		t.Fatal(err)
	}
}

type row struct {
	code int
	name string
	text string
}

// registered finds declarations of the form ErrX = errorsmod.Register(codespace, code, "text").
func registered(t *testing.T, folder string) []row {
	t.Helper()
	var rows []row
	visit(t, folder, func(name string, value ast.Expr) {
		call, ok := value.(*ast.CallExpr)
		if !ok || len(call.Args) != 3 {
			return
		}
		function, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || function.Sel.Name != "Register" {
			return
		}
		code, err := strconv.Atoi(literal(call.Args[1]))
		if err != nil {
			t.Fatalf("%s in %s has no literal code", name, folder)
		}
		text, err := strconv.Unquote(literal(call.Args[2]))
		if err != nil {
			t.Fatalf("%s in %s has no literal text", name, folder)
		}
		rows = append(rows, row{code, name, text})
	})
	return rows
}

// TestLabelsAreExplained requires every label and reason of the relayer and every
// reason of a party to be on the page.
func TestLabelsAreExplained(t *testing.T) {
	page, err := os.ReadFile("errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, named := range []struct{ folder, prefix string }{
		{"../cmd/tkms-relayer/internal/api", "Label"}, {"../cmd/tkms-relayer/internal/api", "Reason"},
		{"../cmd/tkms-relayer/internal/jobs", "Reason"}, {"../enclave/party/status", "Reason"},
	} {
		folder, prefix, found := named.folder, named.prefix, 0
		visit(t, folder, func(name string, value ast.Expr) {
			label, err := strconv.Unquote(literal(value))
			if !strings.HasPrefix(name, prefix) || err != nil {
				return
			}
			found++
			if !strings.Contains(string(page), "| `"+label+"` |") {
				t.Errorf("%s of %s is not in errors.md", label, folder)
			}
		})
		if found == 0 {
			t.Errorf("%s declares no %s", folder, prefix)
		}
	}
}

// visit calls f with each constant and variable of a folder, tests left out.
func visit(t *testing.T, folder string, f func(name string, value ast.Expr)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no source in %s: %v", folder, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				values, ok := spec.(*ast.ValueSpec)
				if !ok || len(values.Names) != len(values.Values) {
					continue
				}
				for i, name := range values.Names {
					f(name.Name, values.Values[i])
				}
			}
		}
	}
}

// literal is the source of a literal, "" of anything else.
func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok {
		return l.Value
	}
	return ""
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// TestLinksLeadSomewhere follows the relative links of all pages.
func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, page := range append(pages, "../README.md", "../SECURITY.md", "examples/dapp/README.md") {
		raw, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(raw), -1) {
			checked++
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), match[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
	if checked == 0 {
		t.Error("no link found")
	}
}
