// What was not awaited is no response.
package main

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

func fetch(_ context.Context, q string) (view.Response, error) { return view.Text(q), nil }

func search(r *view.Request) (view.Response, error) {
	return bridge.AsyncToSync(r, fetch), nil // WANT does not implement view.Response
}

func main() {
	view.New().Routes(view.Path("/", search))
}
