package view_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/tandem-go/tandem/view"
)

// Django's tests/asgi, what becomes of a request whose client goes away.

// leave closes a connection so that its server learns of it at once.
func (c *client) leave() {
	c.t.Helper()
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	if err := c.Close(); err != nil {
		c.t.Error(err)
	}
}

// ended gives the Outcome of the one request of a test.
type ended chan view.Outcome

func (e ended) option() view.Option {
	return view.Observe(func(_ *view.Request, o view.Outcome) { e <- o })
}

func (e ended) must(t *testing.T, status int) view.Outcome {
	t.Helper()
	select {
	case o := <-e:
		if o.Status != status {
			t.Errorf("the request ended with %d, want %d: %+v", o.Status, status, o)
		}
		return o
	case <-time.After(time.Minute):
		t.Fatal("the request never ended")
		return view.Outcome{}
	}
}

// gone runs a test of an async view whose client goes away while it waits.
func gone(t *testing.T, method, lines, body string, leave func(*client)) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		begin, begun := signal()
		cancel, cancelled := signal()
		end := make(ended, 1)
		s := newSite(t, 1, []view.Route{view.Path(method+" /", func(ctx context.Context, r *view.Request) (view.Response, error) {
			// On HTTP/1 the server sees that a client has left once its body was read.
			if got, err := io.ReadAll(r.Body()); string(got) != body || err != nil {
				t.Errorf("body %q, %v", got, err)
			}
			begin()
			<-ctx.Done()
			cancel()
			return nil, context.Cause(ctx)
		})}, append(profile, end.option())...)
		c := connect(t, s.start())
		c.send(method, "/", lines, body)
		<-begun
		leave(c)
		<-cancelled
		if o := end.must(t, view.StatusClientGone); !errors.Is(o.Err, context.Canceled) {
			t.Errorf("its error is %v", o.Err)
		}
	})
}

func TestDjangoDisconnect(t *testing.T) { gone(t, "GET", "", "", (*client).leave) }

func TestDjangoDisconnectWithBody(t *testing.T) {
	gone(t, "POST", "Content-Length: 9\r\n", "some body", (*client).leave)
}

// The client ends its sending side first, and the whole connection afterwards.
func TestDjangoDelayedDisconnectWithBody(t *testing.T) {
	gone(t, "POST", "Content-Length: 9\r\n", "some body", func(c *client) {
		if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	})
}

// The client leaves while the answer is on its way: one end, whichever it is.
func TestDjangoDisconnectBothReturn(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		end := make(ended, 64)
		s := newSite(t, 1, []view.Route{view.Path("GET /", func(context.Context, *view.Request) (view.Response, error) {
			return view.Text("Hello World!"), nil
		})}, append(profile, end.option())...)
		srv := s.start()
		const n = 20
		for range n {
			c := connect(t, srv)
			c.send("GET", "/", "", "")
			c.leave()
		}
		srv.Close() // all that were accepted have ended
		close(end)
		for o := range end {
			if o.Status != 200 && o.Status != view.StatusClientGone {
				t.Errorf("ended with %d: %v", o.Status, o.Err)
			}
		}
	})
}

// A sync view is not stopped: it runs to its end, its body stays readable, and
// its answer is dropped.
func TestDjangoCancelPostRequestWithSyncProcessing(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		begin, begun := signal()
		goOn, mayGoOn := signal()
		var read string
		end := make(ended, 1)
		watched := view.Use(func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) {
				go func() { <-ctx.Done(); goOn() }() // the server has seen it
				return next(ctx, r)
			}
		})
		s := newSite(t, 1, []view.Route{view.Path("POST /", func(r *view.Request) (view.Response, error) {
			begin()
			<-mayGoOn
			body, err := io.ReadAll(r.Body())
			read = string(body)
			return view.Text("nobody reads this"), err
		}, view.With(watched))}, append(profile, end.option())...)
		c := connect(t, s.start())
		c.send("POST", "/", "Content-Length: 10\r\n", "Body data!")
		<-begun
		c.leave()
		o := end.must(t, 200) // it has answered; that nobody took it is another matter
		if read != "Body data!" || o.Err != nil {
			t.Errorf("the view read %q; the end: %+v", read, o)
		}
	})
}

// A view that cleans up when it is cancelled is let do so, and the end is told once.
func TestDjangoAsyncioCancelError(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		begin, begun := signal()
		cleaned := false
		end := make(ended, 2)
		s := newSite(t, 1, []view.Route{
			view.Path("GET /", func(ctx context.Context, _ *view.Request) (resp view.Response, err error) {
				defer func() { cleaned = errors.Is(err, context.Canceled) }()
				begin()
				<-ctx.Done()
				return nil, ctx.Err()
			}),
			view.Path("GET /whole", func(context.Context, *view.Request) (view.Response, error) { return view.Text("Hello World!"), nil }),
		}, append(profile, end.option())...)
		srv := s.start()
		c := connect(t, srv)
		c.send("GET", "/", "", "")
		<-begun
		c.leave()
		end.must(t, view.StatusClientGone)
		if !cleaned {
			t.Error("the view did not see that it was cancelled")
		}
		c = connect(t, srv)
		c.send("GET", "/whole", "", "")
		if _, body := c.answer(); body != "Hello World!" {
			t.Errorf("the next request: %q", body)
		}
		end.must(t, 200)
		if len(end) != 0 {
			t.Error("an end was told twice")
		}
	})
}

// twoChunks sends two chunks, the second when it may.
func twoChunks(ctx context.Context, second <-chan struct{}, stopped func(error)) view.Response {
	return view.Stream(func(yield func([]byte, error) bool) {
		if !yield([]byte("first\n"), nil) {
			return
		}
		select {
		case <-second:
			yield([]byte("last\n"), nil)
			stopped(nil)
		case <-ctx.Done():
			stopped(ctx.Err())
			yield(nil, ctx.Err())
		}
	})
}

func TestDjangoStreaming(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		more, second := signal()
		s := newSite(t, 1, []view.Route{view.Path("GET /", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			return twoChunks(ctx, second, func(error) {}), nil
		})}, profile...)
		c := connect(t, s.start())
		c.send("GET", "/", "", "")
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		first := make([]byte, 6)
		if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first\n" {
			t.Fatalf("%q, %v: the first chunk is to come before the second is there", first, err)
		}
		more()
		if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "last\n" {
			t.Errorf("then %q, %v", rest, err)
		}
	})
}

// streamLeft is a stream whose client leaves in the middle.
func streamLeft(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		stopped := make(chan error, 1)
		end := make(ended, 1)
		s := newSite(t, 1, []view.Route{view.Path("GET /", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			return twoChunks(ctx, nil, func(err error) { stopped <- err }), nil
		})}, append(profile, end.option())...)
		c := connect(t, s.start())
		c.send("GET", "/", "", "")
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadFull(resp.Body, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		c.leave()
		if err := <-stopped; !errors.Is(err, context.Canceled) {
			t.Errorf("the sequence was told %v", err)
		}
		if o := end.must(t, 200); o.Bytes != 6 || !errors.Is(o.Err, context.Canceled) {
			t.Errorf("the end: %+v", o)
		}
	})
}

func TestDjangoAsyncioStreamingCancelError(t *testing.T) { streamLeft(t) }

// A client that has left before the first chunk gets none.
func TestDjangoStreamingDisconnect(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		begin, begun := signal()
		end := make(ended, 1)
		s := newSite(t, 1, []view.Route{view.Path("GET /", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			return view.Stream(func(yield func([]byte, error) bool) {
				begin()
				<-ctx.Done()
				if yield([]byte("too late"), nil) {
					t.Error("it was asked for more")
				}
			}), nil
		})}, append(profile, end.option())...)
		c := connect(t, s.start())
		c.send("GET", "/", "", "")
		<-begun
		c.leave()
		if o := end.must(t, view.StatusClientGone); o.Bytes != 0 {
			t.Errorf("%d bytes were sent", o.Bytes)
		}
	})
}
