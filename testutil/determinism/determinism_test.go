package determinism_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"

	"github.com/tkms-network/tkms/testutil/determinism"
)

const module = "github.com/tkms-network/tkms/"

// sealed packages run in every validator's state machine. What they import from this
// module is checked, too.
var sealed = []string{
	"app/ante", "x/acl/keeper", "x/kms/keeper", "x/parties/keeper", "x/poa/keeper",
}

// wiring connects the state machine to the node: it is checked, but not what it
// imports, as it also serves commands and REST.
var wiring = []string{"app", "x/acl", "x/kms", "x/parties", "x/poa"}

// exceptions are findings that are sound, with the reason. One that does not occur fails the test.
var exceptions = map[string]string{
	"app/api.go imports net/http":      "REST is served beside the state machine",
	"app/app.go ranges over a map":     "fills a map for the command line",
	"app/keepers.go ranges over a map": "fills a map, at start",

	// Evidence and openings are checked by the packages whose machines make them; the machines do not run here.
	"enclave/protocol/preproc/blame.go ranges over a map": "of a set's values one at most has t+1 claims; it runs in parties only",
	"enclave/protocol/agree/agree.go ranges over a map":   "of all digests one at most has n-t ECHOs; it runs in parties only",
	"enclave/prss/setup.go ranges over a map":             "makes a set, and refuses whatever the order; it runs in parties only",
}

func TestTheStateMachineDependsOnNothingButItsInput(t *testing.T) {
	folders := withImports(t)
	require.Greater(t, len(folders), len(sealed)+len(wiring), "imports are followed")
	found := map[string][]int{}
	for _, p := range load(t, folders...) {
		folder := strings.TrimPrefix(p.PkgPath, module)
		for _, f := range determinism.Inspect(p) {
			finding := folder + "/" + filepath.Base(f.Position.Filename) + " " + f.Text
			found[finding] = append(found[finding], f.Position.Line)
		}
	}
	for _, finding := range slices.Sorted(maps.Keys(found)) {
		if exceptions[finding] == "" {
			t.Errorf("%s, line %v", finding, found[finding])
		}
	}
	for finding := range exceptions {
		require.Contains(t, found, finding, "an exception that nothing needs")
	}
}

// withImports returns the paths of all packages to check.
func withImports(t *testing.T) []string {
	t.Helper()
	config := &packages.Config{Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps}
	roots, err := packages.Load(config, paths(sealed)...)
	require.NoError(t, err)
	all := paths(wiring)
	packages.Visit(roots, nil, func(p *packages.Package) {
		if strings.HasPrefix(p.PkgPath, module) {
			all = append(all, p.PkgPath)
		}
	})
	slices.Sort(all)
	return slices.Compact(all)
}

func paths(folders []string) []string {
	all := make([]string, len(folders))
	for i, folder := range folders {
		all[i] = module + folder
	}
	return all
}

func load(t *testing.T, patterns ...string) []*packages.Package {
	t.Helper()
	config := &packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedImports |
			packages.NeedTypes | packages.NeedTypesInfo,
	}
	loaded, err := packages.Load(config, patterns...)
	require.NoError(t, err)
	for _, p := range loaded {
		require.Empty(t, p.Errors, p.PkgPath)
		require.NotEmpty(t, p.Syntax, p.PkgPath)
	}
	return loaded
}

func TestEachKindOfViolationIsFoundAndNothingElse(t *testing.T) {
	p := load(t, "./testdata/violations")[0]
	source, err := os.ReadFile("testdata/violations/violations.go")
	require.NoError(t, err)
	want := map[int]string{}
	for i, line := range strings.Split(string(source), "\n") {
		if _, text, marked := strings.Cut(line, "// want "); marked {
			want[i+1] = text
		}
	}
	require.NotEmpty(t, want)
	got := map[int]string{}
	for _, f := range determinism.Inspect(p) {
		got[f.Position.Line] = f.Text
	}
	require.Equal(t, want, got)
}
