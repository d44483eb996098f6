// Package tandemvet finds, before the program runs, mistakes that mixing sync
// and async code makes possible and the compiler lets pass.
//
// The invariant: a function's colour is read from its type, and that of a
// function literal without a telling type from where it is run. Where that cannot
// be told nothing is reported.
//
// The smallest use is the command, on packages or as a tool of go vet:
//
//	go run github.com/tandem-go/tandem/cmd/tandemvet ./...
//	go vet -vettool=$(which tandemvet) ./...
//
// [Analyzers] returns the rules for drivers of one's own.
//
// # Directives
//
//	//tandem:synconly
//
// in the doc comment of a function or of an interface's method: only sync code
// may call it. What calls it without having a ctx is then sync-only too, over
// packages.
//
//	//tandem:transaction
//
// in the doc comment of a type: its values belong to one goroutine at a time.
//
//	//tandemvet:ignore RULE reason
//
// on the line of a finding, or in a comment above it: the finding is meant. The reason is
// demanded, and a suppression that suppresses nothing is a finding.
package tandemvet
