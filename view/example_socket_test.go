package view_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/coder/websocket"

	"github.com/tandem-go/tandem/view"
)

// An echo that says goodbye when its worker drains.
func ExampleWebSocket() {
	echo := func(ctx context.Context, c *view.Conn) error {
		for {
			kind, message, err := c.Read(ctx)
			if errors.Is(err, view.ErrDraining) {
				return c.Write(ctx, view.TextMessage, []byte("see you")) // and it is closed with 1012
			}
			if err != nil {
				return err
			}
			if err := c.Write(ctx, kind, message); err != nil {
				return err
			}
		}
	}
	app := view.New()
	app.Routes(view.Path("GET /ws/echo/", view.WebSocket(echo, view.Deflate(), view.ReadLimit(64<<10))))

	server := httptest.NewServer(app)
	defer server.Close()
	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, server.URL+"/ws/echo/", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = c.Write(ctx, websocket.MessageText, []byte("hello"))
	_, message, err := c.Read(ctx)
	fmt.Println(string(message), err)
	_ = c.Close(websocket.StatusNormalClosure, "")
	// Output: hello <nil>
}

// A browser's EventSource comes back with the id of the last event that it saw.
func ExampleEvents() {
	count := func(ctx context.Context, r *view.Request) (view.Response, error) {
		last, _ := strconv.Atoi(r.LastEventID())
		return view.Events(func(yield func(view.Event, error) bool) {
			for i := last + 1; i <= 10 && ctx.Err() == nil; i++ {
				if !yield(view.Event{ID: strconv.Itoa(i), Data: fmt.Sprint("number ", i)}, nil) {
					return
				}
			}
		}), nil
	}
	app := view.New()
	app.Routes(view.Path("GET /events/", count))

	server := httptest.NewServer(app)
	defer server.Close()
	r, _ := http.NewRequest("GET", server.URL+"/events/", nil)
	r.Header.Set("Last-Event-ID", "8")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	// Output:
	// id: 9
	// data: number 9
	//
	// id: 10
	// data: number 10
}
