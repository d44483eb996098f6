package tandemvet

import (
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

// golden runs one rule over packages under testdata. What is found, and nothing
// else, must be in want comments.
func golden(t *testing.T, o Options, name string, packages ...string) {
	t.Helper()
	for _, a := range Analyzers(&o) {
		if a.Name == name {
			runOver(t, a, packages)
			return
		}
	}
	t.Fatalf("no rule %s", name)
}

// runOver runs an analyzer over packages under testdata, which are of this module
// so that they use the real bridge and view.
func runOver(t *testing.T, a *analysis.Analyzer, packages []string) {
	t.Helper()
	var patterns []string
	for _, p := range packages {
		patterns = append(patterns, "./tandemvet/testdata/"+p)
	}
	if results := analysistest.Run(t, "..", a, patterns...); len(results) < len(packages) {
		t.Fatalf("%d results of %d packages", len(results), len(packages))
	}
}

func TestSyncCallsInAsyncCode(t *testing.T) {
	golden(t, Options{}, "synccall", "synccall")
}

func TestAdaptersOfAsyncFunctions(t *testing.T) {
	golden(t, Options{}, "adaptasync", "adaptasync")
}

func TestFramesInsideFrames(t *testing.T) {
	golden(t, Options{}, "nestedsync", "nestedsync")
}

func TestLostContexts(t *testing.T) {
	golden(t, Options{}, "lostctx", "lostctx", "lostctx/elsewhere")
}

func TestSleepsInAsyncCode(t *testing.T) {
	golden(t, Options{}, "sleepasync", "sleepasync", "sleepasync/elsewhere")
}

func TestTransactionsInGathers(t *testing.T) {
	golden(t, Options{}, "txgather", "txgather")
}

func TestSuppressions(t *testing.T) {
	golden(t, Options{}, "suppression", "suppression")
}

// The facts are those of the analyzer that all rules require.
func TestFactsReachImportingPackages(t *testing.T) {
	runOver(t, Analyzers(nil)[0].Requires[0], []string{"store"})
}
