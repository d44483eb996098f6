package view

import (
	"fmt"

	"github.com/tandem-go/tandem/internal/schema"
)

// Documentation is what a description of the API says of a route beyond its
// types.
type Documentation struct {
	Summary     string // one line; without it, the route's name in words
	Description string // may be CommonMark
	Tags        []string
	Deprecated  bool
	Hidden      bool // leave the route out
}

// Doc documents a route. The last one counts, but what is hidden stays so.
func Doc(d Documentation) RouteOption {
	return func(rt *Route) {
		d.Hidden = d.Hidden || rt.doc.Hidden
		rt.doc = d
	}
}

// Describe says what a view takes and answers that is not a [Typed] one, in the
// same way as the types of [JSONView] do. It is a description: the view itself
// reads, checks and answers. Of a Typed view that answers a [Response], because it
// sets a header, it says what is in that; In is the view's own then.
func Describe[In, Out any](opts ...TypedOption) RouteOption {
	types := newTypes[In, Out](opts)
	schema.NewInput(schema.NewRegistry(), types.In) // panics where it cannot be described
	return func(rt *Route) {
		described := types
		if rt.types != nil && rt.types.Checked {
			if rt.types.In != types.In {
				panic(fmt.Sprintf("view.Describe: the view of %s takes %v, not %v", rt.pattern, rt.types.In, types.In))
			}
			described.Checked = true
		}
		rt.types = &described
	}
}
