package tandemvet

import (
	"fmt"
	"strings"
)

// The facts that travel from a package to those that import it. All of them come
// of the analyzer of colours.

// syncOnly is a fact of a function: only sync code may call it.
type syncOnly struct {
	Chain []string // the calls by which it is, the function itself first
}

// crosses is a fact of a function with a ctx: it runs a sync frame with it.
type crosses struct {
	Chain []string // the calls by which it does, the function itself first
}

// runs is a fact of a function that takes functions: what it does with them.
type runs struct {
	Args []fate // by parameter
}

// adapter is a fact of a variable: what it holds was made by SyncToAsync.
type adapter struct{}

// transaction is a fact of a type marked as one.
type transaction struct{}

func (*syncOnly) AFact()    {}
func (*crosses) AFact()     {}
func (*runs) AFact()        {}
func (*adapter) AFact()     {}
func (*transaction) AFact() {}

func (f *syncOnly) String() string  { return "sync-only: " + show(f.Chain) }
func (f *crosses) String() string   { return "crosses: " + show(f.Chain) }
func (f *runs) String() string      { return fmt.Sprintf("runs: %v", f.Args) }
func (*adapter) String() string     { return "adapter" }
func (*transaction) String() string { return "transaction" }

// shown bounds the calls of a chain that a message names.
const shown = 6

// show is a chain of calls for people.
func show(chain []string) string {
	if n := len(chain); n > shown {
		chain = append(append(chain[:shown-2:shown-2], "…"), chain[n-1])
	}
	return strings.Join(chain, " → ")
}

// fate is a set of the ways in which a function that is given away is run.
type fate uint8

const (
	inSync  fate = 1 << iota // as the code of a sync frame
	inline                   // within the call, as its caller's code
	spawned                  // on a goroutine that the call starts
	kept                     // or it is stored, returned, or run as async code: cannot be told
)

func (f fate) String() string {
	if f == 0 {
		return "-"
	}
	var names []string
	for i, name := range []string{"sync", "inline", "spawned", "kept"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "|")
}
