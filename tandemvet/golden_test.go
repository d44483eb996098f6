package tandemvet

import (
	"maps"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

// The packages under testdata are of this module, so that they use the real
// bridge and view. What any rule finds in them, and nothing else, must be in want
// comments. One run for all: most of its time goes to loading net/http.
func TestWhatIsFoundAndWhatIsNot(t *testing.T) {
	packages := []string{
		"synccall", "adaptasync", "nestedsync", "lostctx", "lostctx/elsewhere",
		"sleepasync", "sleepasync/elsewhere", "txgather", "suppression",
	}
	runOver(t, together(Analyzers(nil)), packages...)
}

// The facts are those of the analyzer that all rules require.
func TestFactsReachImportingPackages(t *testing.T) {
	runOver(t, Analyzers(nil)[0].Requires[0], "store")
}

func runOver(t *testing.T, a *analysis.Analyzer, packages ...string) {
	t.Helper()
	var patterns []string
	for _, p := range packages {
		patterns = append(patterns, "./tandemvet/testdata/"+p)
	}
	if results := analysistest.Run(t, "..", a, patterns...); len(results) < len(packages) {
		t.Fatalf("%d results of %d packages", len(results), len(packages))
	}
}

// together is one analyzer of all rules, whose findings begin with the rule.
func together(rules []*analysis.Analyzer) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:     "together",
		Doc:      "run all rules",
		Requires: rules[0].Requires,
		Run: func(pass *analysis.Pass) (any, error) {
			results := maps.Clone(pass.ResultOf)
			for _, a := range rules {
				own := *pass
				own.Analyzer, own.ResultOf = a, results
				own.Report = func(d analysis.Diagnostic) {
					d.Message = a.Name + ": " + d.Message
					pass.Report(d)
				}
				result, err := a.Run(&own)
				if err != nil {
					return nil, err
				}
				results[a] = result
			}
			return nil, nil
		},
	}
}
