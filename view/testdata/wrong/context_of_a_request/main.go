// A sync view has no way to a ctx but bridge.Await.
package main

import "github.com/tandem-go/tandem/view"

func sneaky(r *view.Request) (view.Response, error) {
	return view.NoContent(), r.Context().Err() // WANT r.Context undefined
}

func main() {
	view.New().Routes(view.Path("/", sneaky))
}
