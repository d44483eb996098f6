package tandemvet

import (
	"reflect"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
)

// Options say where findings are reported. They are read while an analyzer runs,
// so a driver may set them from flags after [Analyzers].
type Options struct {
	Tests     bool // report in _test.go files too
	Generated bool // report in generated files too
}

// docsURL is where each rule is described, under a heading of its name.
const docsURL = "https://github.com/tandem-go/tandem/blob/main/docs/tandemvet.md#"

// rule is one check of calls by the colour of the code they are in.
type rule struct {
	name, doc string
	run       func(*check)
}

var rules = []rule{
	{"synccall", synccallDoc, synccall},
	{"adaptasync", adaptasyncDoc, adaptasync},
	{"nestedsync", nestedsyncDoc, nestedsync},
	{"lostctx", lostctxDoc, lostctx},
	{"sleepasync", sleepasyncDoc, sleepasync},
	{"txgather", txgatherDoc, txgather},
}

// Analyzers returns one analyzer for each rule, and one for suppressions that
// are malformed or suppress nothing. Nil options are the zero ones. The analyzers
// belong together and may run at once; those of two calls share nothing.
func Analyzers(o *Options) []*analysis.Analyzer {
	if o == nil {
		o = new(Options)
	}
	colours := &analysis.Analyzer{
		Name:       "tandemcolours",
		Doc:        "tell sync code from async code, for the rules of tandemvet",
		Requires:   []*analysis.Analyzer{inspect.Analyzer},
		FactTypes:  []analysis.Fact{new(syncOnly), new(crosses), new(runs), new(adapter), new(transaction)},
		ResultType: reflect.TypeFor[*colouring](),
		Run:        func(pass *analysis.Pass) (any, error) { return newColouring(pass), nil },
	}
	suppressing := &analysis.Analyzer{
		Name: "suppression",
		Doc:  suppressionDoc,
		URL:  docsURL + "suppression",
	}
	var all []*analysis.Analyzer
	for _, r := range rules {
		all = append(all, &analysis.Analyzer{
			Name:       r.name,
			Doc:        r.doc,
			URL:        docsURL + r.name,
			Requires:   []*analysis.Analyzer{colours},
			ResultType: reflect.TypeFor[used](),
			Run: func(pass *analysis.Pass) (any, error) {
				c := &check{
					pass:        pass,
					options:     o,
					name:        r.name,
					colouring:   pass.ResultOf[colours].(*colouring),
					suppressing: suppressions(pass),
					used:        used{},
				}
				r.run(c)
				return c.used, nil
			},
		})
	}
	suppressing.Requires = all
	suppressing.Run = func(pass *analysis.Pass) (any, error) {
		checkSuppressions(pass, o, all)
		return nil, nil
	}
	return append(all[:len(all):len(all)], suppressing)
}
