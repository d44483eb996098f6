// A view returns an error beside its response.
package main

import "github.com/tandem-go/tandem/view"

func careless(r *view.Request) view.Response { return view.NoContent() }

func main() {
	view.New().Routes(view.Path("/", careless)) // WANT does not satisfy view.View
}
