package middleware_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/klauspost/compress/zstd"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

// decoder reads what was encoded; it gives what is there without waiting for more.
func decoder(t *testing.T, encoding string, r io.Reader) io.Reader {
	t.Helper()
	switch encoding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		return z
	case "zstd":
		z, err := zstd.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(z.Close)
		return z
	case "":
		return r
	}
	t.Fatalf("encoding %q", encoding)
	return nil
}

func TestCompressNegotiates(t *testing.T) {
	page := strings.Repeat("all work and no play ", 200)
	app := around(made(t)(middleware.Compress(middleware.Compression{})),
		view.Path("/page", func(context.Context, *view.Request) (view.Response, error) {
			return view.WithHeader(view.Text(page), "ETag", `"1"`), nil
		}),
		view.Path("/sync", func(*view.Request) (view.Response, error) { return view.Text(page), nil }),
		view.Path("/small", func(*view.Request) (view.Response, error) { return view.Text(page[:500]), nil }),
		view.Path("/png", func(*view.Request) (view.Response, error) { return view.Bytes("image/png", []byte(page)), nil }),
		view.Path("/svg", func(*view.Request) (view.Response, error) { return view.Bytes("image/SVG+xml; x=y", []byte(page)), nil }),
		view.Path("/untyped", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }),
		view.Path("/encoded", func(*view.Request) (view.Response, error) {
			return view.WithHeader(view.Text(page), "Content-Encoding", "br"), nil
		}),
		view.Path("/secret", func(*view.Request) (view.Response, error) { return middleware.Uncompressed(view.Text(page)), nil }),
		view.Path("/error", func(*view.Request) (view.Response, error) { return nil, view.Errorf(409, "%s", page) }),
		view.Path("/empty", func(*view.Request) (view.Response, error) { return view.NoContent(), nil }),
	)
	tests := []struct {
		method, target, accept string
		status                 int
		encoding               string // of Compress
		body                   string // the page, if empty
	}{
		{"GET", "/page", "gzip, deflate, br, zstd", 200, "zstd", ""},
		{"GET", "/page", "gzip, deflate, br", 200, "gzip", ""},
		{"GET", "/page", "gzip;q=1, zstd;q=0.5", 200, "gzip", ""},
		{"GET", "/page", "gzip;q=0, zstd;q=0", 200, "", ""},
		{"GET", "/page", "br", 200, "", ""},
		{"GET", "/page", "", 200, "", ""},
		{"HEAD", "/page", "gzip", 200, "", "-"},
		{"GET", "/sync", "zstd", 200, "zstd", ""},
		{"GET", "/small", "gzip", 200, "", page[:500]},
		{"GET", "/png", "gzip", 200, "", ""},
		{"GET", "/svg", "gzip", 200, "gzip", ""},
		{"GET", "/untyped", "gzip", 200, "gzip", ""},
		{"GET", "/secret", "gzip", 200, "", ""},
		{"GET", "/error", "gzip", 409, "gzip", "-"},
		{"GET", "/empty", "gzip", 204, "", "-"},
		{"GET", "/nowhere", "gzip", 404, "", "-"},
	}
	for _, test := range tests {
		name := fmt.Sprintf("%s %s for %q", test.method, test.target, test.accept)
		resp := do(app, test.method, test.target, "Accept-Encoding", test.accept)
		encoding := resp.Header.Get("Content-Encoding")
		if resp.StatusCode != test.status || encoding != test.encoding || resp.Header.Get("No-Gzip-Compression") != "" {
			t.Errorf("%s: %d %v", name, resp.StatusCode, resp.Header)
			continue
		}
		vary := "Accept-Encoding"
		if test.status >= 400 {
			vary = "Accept, " + vary // an error is a page or JSON
		}
		if strings.Join(resp.Header["Vary"], ", ") != vary {
			t.Errorf("%s: Vary is %q", name, resp.Header["Vary"])
		}
		tag := ""
		if test.target == "/page" {
			tag = `"1"`
			if encoding != "" || test.method == "HEAD" { // GET would be encoded
				tag = "W/" + tag
			}
		}
		if resp.Header.Get("ETag") != tag {
			t.Errorf("%s: ETag is %q", name, resp.Header["Etag"])
		}
		var raw bytes.Buffer
		got, err := io.ReadAll(decoder(t, encoding, io.TeeReader(resp.Body, &raw)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := test.body
		if want == "" {
			want = page
		}
		if want != "-" && string(got) != want || encoding != "" && raw.Len() > len(page)/4 {
			t.Errorf("%s: %d bytes of %d sent", name, raw.Len(), len(got))
		}
	}
	if resp := do(app, "GET", "/encoded", "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "br" || body(t, resp) != page {
		t.Errorf("what was encoded is encoded again: %v", resp.Header)
	}
}

// connect serves app and makes a request whose answer is not decoded by itself.
func connect(t *testing.T, app http.Handler, target, accept string) *http.Response {
	t.Helper()
	srv := httptest.NewServer(app)
	t.Cleanup(srv.Close)
	r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", accept)
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// The next chunk is made only when the client has the one before: a compressor
// that keeps any would stop the stream for ever.
func TestEachChunkOfACompressedStreamGoesOutWhenItIsFlushed(t *testing.T) {
	for _, accept := range []string{"gzip", "zstd", "identity"} {
		for _, kind := range []string{"text/plain", "text/event-stream", "application/octet-stream"} {
			t.Run(accept+" "+kind, func(t *testing.T) {
				seen := make(chan struct{})
				app := around(made(t)(middleware.Compress(middleware.Compression{})), view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
					return view.WithHeader(view.Stream(func(yield func([]byte, error) bool) {
						for i := range 3 {
							if !yield(fmt.Appendf(nil, "data: %d\n\n", i), nil) {
								return
							}
							select {
							case <-seen:
							case <-ctx.Done():
								return
							}
						}
					}), "Content-Type", kind), nil
				}))
				resp := connect(t, app, "/", accept)
				encoding := resp.Header.Get("Content-Encoding")
				if want := strings.TrimPrefix(accept, "identity"); encoding != want && kind != "application/octet-stream" {
					t.Errorf("encoding %q", encoding)
				}
				lines := bufio.NewReader(decoder(t, encoding, resp.Body))
				for i := range 3 {
					got, err := lines.ReadString('\n')
					if want := fmt.Sprintf("data: %d\n", i); got != want || err != nil {
						t.Fatalf("%q, %v; want %q", got, err, want)
					}
					if _, err := lines.ReadString('\n'); err != nil {
						t.Fatal(err)
					}
					seen <- struct{}{}
				}
				if _, err := lines.ReadByte(); err != io.EOF {
					t.Errorf("after the last chunk: %v", err)
				}
			})
		}
	}
}

func TestACompressedStreamThatFailsIsCut(t *testing.T) {
	app := around(made(t)(middleware.Compress(middleware.Compression{})), view.Path("/", func(context.Context, *view.Request) (view.Response, error) {
		return view.Stream(func(yield func([]byte, error) bool) {
			if yield([]byte("half"), nil) {
				yield(nil, io.ErrClosedPipe)
			}
		}), nil
	}))
	resp := connect(t, app, "/", "gzip")
	if got, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d bytes that look whole", len(got))
	}
}

func TestWebSocketsGoThroughCompress(t *testing.T) {
	app := around(made(t)(middleware.Compress(middleware.Compression{})), view.Path("/ws", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		kind, msg, err := c.Read(r.Context())
		if err == nil {
			err = c.Write(r.Context(), kind, msg)
		}
		if err != nil {
			t.Error(err)
		}
		_ = c.Close(websocket.StatusNormalClosure, "")
	}))
	srv := httptest.NewServer(app)
	defer srv.Close()
	c, _, err := websocket.Dial(t.Context(), srv.URL+"/ws", &websocket.DialOptions{HTTPHeader: http.Header{"Accept-Encoding": {"gzip"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, msg, err := c.Read(t.Context()); string(msg) != "hello" || err != nil {
		t.Errorf("%q, %v", msg, err)
	}
	_, _, _ = c.Read(t.Context()) // the close
}

func TestAHijackedConnectionIsNotCompressed(t *testing.T) {
	app := around(made(t)(middleware.Compress(middleware.Compression{})), view.Path("/", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "raw")
		_ = conn.Close()
	}))
	srv := httptest.NewServer(app)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
	if got, err := io.ReadAll(conn); string(got) != "raw" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCompressRefusesANegativeSize(t *testing.T) {
	if _, err := middleware.Compress(middleware.Compression{MinSize: -1}); err == nil {
		t.Error("no error")
	}
}

// A 103 passes as it is, and the answer behind it is compressed.
func TestEarlyHintsAreNotCompressed(t *testing.T) {
	app := around(made(t)(middleware.Compress(middleware.Compression{})),
		view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
			return view.HTML(strings.Repeat("<p>hello</p>", 1000)), r.EarlyHints(ctx, "</a.css>; rel=preload")
		}))
	server := httptest.NewServer(app)
	defer server.Close()
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, h))
		return nil
	}})
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if want := []string{"103 map[Link:[</a.css>; rel=preload]]"}; !slices.Equal(hints, want) || resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%q, %d %v", hints, resp.StatusCode, resp.Header)
	}
}
