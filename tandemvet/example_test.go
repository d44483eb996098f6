package tandemvet_test

import (
	"fmt"

	"github.com/tandem-go/tandem/tandemvet"
)

// A driver takes the analyzers as they are: unitchecker.Main(rules...) makes a
// tool for go vet, multichecker.Main(rules...) a program of its own.
func ExampleAnalyzers() {
	rules := tandemvet.Analyzers(&tandemvet.Options{Tests: true})
	for _, r := range rules {
		fmt.Println(r.Name)
	}
	// Output:
	// synccall
	// adaptasync
	// nestedsync
	// lostctx
	// sleepasync
	// txgather
	// suppression
}
