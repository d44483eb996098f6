// Who holds a WebSocket waits for its client: that must be cancellable.
package main

import (
	"context"

	"github.com/tandem-go/tandem/view"
)

func echo(c *view.Conn) error {
	kind, message, err := c.Read(context.TODO())
	if err != nil {
		return err
	}
	return c.Write(context.TODO(), kind, message)
}

func main() {
	view.New().Routes(view.Path("/", view.WebSocket(echo))) // WANT cannot use echo (value of type func(c *view.Conn) error) as func(context.Context, *view.Conn) error value
}
