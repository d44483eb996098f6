// Middleware wraps views of a colour, or net/http handlers.
package main

import "github.com/tandem-go/tandem/view"

func colourless(next func()) func() { return next }

func main() {
	view.New().Use(view.Use(colourless)) // WANT func(next func()) func() does not satisfy view.MiddlewareFunc
}
