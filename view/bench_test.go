package view_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/tandem-go/tandem/view"
)

// nowhere is a writer that costs nothing.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

func serve(b *testing.B, h http.Handler, target string) {
	r := httptest.NewRequest("GET", target, nil)
	w := &nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

func elapsed(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

func timing(next view.AsyncView) view.AsyncView {
	return func(ctx context.Context, r *view.Request) (view.Response, error) {
		start := time.Now()
		resp, err := next(ctx, r)
		return view.WithHeader(resp, "X-Elapsed-Ms", elapsed(time.Since(start))), err
	}
}

func modern(context.Context, *view.Request) (view.Response, error) {
	return view.JSON(map[string]string{"hello": "async"}), nil
}

func classic(*view.Request) (view.Response, error) {
	return view.JSON(map[string]string{"hello": "sync"}), nil
}

// bare is what modern and timing are, in net/http alone.
func bare() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /modern/", func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		body, err := json.Marshal(map[string]string{"hello": "async"})
		if err != nil {
			http.Error(w, "internal server error", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Elapsed-Ms", elapsed(time.Since(start)))
		_, _ = w.Write(body)
	})
	return mux
}

func tandem() *view.App {
	app := view.New()
	app.Use(view.Use(timing))
	app.Routes(view.Path("GET /modern/", modern), view.Path("GET /classic/", classic))
	return app
}

func BenchmarkModernBareNetHTTP(b *testing.B) { serve(b, bare(), "/modern/") }
func BenchmarkModern(b *testing.B)            { serve(b, tandem(), "/modern/") }
func BenchmarkClassic(b *testing.B)           { serve(b, tandem(), "/classic/") }

// overTheWire measures one request at a time on a connection of its own, with a
// client that costs next to nothing.
func overTheWire(b *testing.B, h http.Handler, target string) {
	srv := httptest.NewServer(h)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	request := []byte("GET " + target + " HTTP/1.1\r\nHost: bench\r\n\r\n")
	answer := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(request); err != nil {
			b.Fatal(err)
		}
		n, err := conn.Read(answer) // one small response comes in one piece
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) || !bytes.HasSuffix(answer[:n], []byte("}")) {
			b.Fatalf("%v: %q", err, answer[:n])
		}
	}
}

func BenchmarkOverTheWireBareNetHTTP(b *testing.B) { overTheWire(b, bare(), "/modern/") }
func BenchmarkOverTheWireModern(b *testing.B)      { overTheWire(b, tandem(), "/modern/") }
func BenchmarkOverTheWireClassic(b *testing.B)     { overTheWire(b, tandem(), "/classic/") }
