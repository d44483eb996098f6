package middleware_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

// zeros is n bytes of gzip that become a thousand times as many.
func zeros(t testing.TB, encoding string, n int) string {
	t.Helper()
	return encoded(t, encoding, string(make([]byte, n)))
}

// rle is a zstd frame of n blocks of four bytes, each of which becomes 128 KiB.
func rle(n int) string {
	return "\x28\xb5\x2f\xfd\x00\x38" + strings.Repeat("\x02\x00\x10x", n) + "\x01\x00\x00"
}

// frame is an empty zstd frame that wants a window of 2^log bytes.
func frame(log byte) string {
	return "\x28\xb5\x2f\xfd\x00" + string([]byte{(log - 10) << 3}) + "\x01\x00\x00"
}

func TestBombsEndAtTheBounds(t *testing.T) {
	const limit = 4 << 20
	app := readers(t, &middleware.Decompression{}, limit)
	wide := readers(t, &middleware.Decompression{}, 1<<30)
	open := readers(t, &middleware.Decompression{}, -1)
	for _, test := range []struct {
		name, encoding, sent string
		app                  *view.App
		status               int
		says                 string
	}{
		{"gzip, 1000:1, to the bound", "gzip", zeros(t, "gzip", 64<<20), app, 413, "more than 200 times"},
		{"zstd, 30000:1", "zstd", rle(1 << 10), app, 413, "more than 200 times"},
		{"deflate, within the ratio's first MiB", "deflate", zeros(t, "deflate", 1<<20), app, 204, ""},
		{"gzip, ten times the bound, by little", "gzip", encoded(t, "gzip", noise(5<<20)), app, 413, "larger than 4194304 bytes"},
		{"a bound of 1 GiB", "gzip", zeros(t, "gzip", 64<<20), wide, 413, "more than 200 times"},
		{"no bound", "zstd", rle(1 << 14), open, 413, "more than 200 times"},
		{"members of nothing, beyond the bound", "gzip", strings.Repeat(encoded(t, "gzip", ""), limit/20+1), app, 413, "larger than 4194304 bytes"},
		{"members of nothing, within it", "gzip", strings.Repeat(encoded(t, "gzip", ""), 1000), app, 204, ""},
		{"frames of nothing", "zstd", strings.Repeat(frame(10), limit/9+1), app, 413, "larger than 4194304 bytes"},
		{"blocks of nothing", "zstd", "\x28\xb5\x2f\xfd\x00\x00" + strings.Repeat("\x00\x00\x00", limit/3) + "\x01\x00\x00", app, 413, "larger than 4194304 bytes"},
		{"a frame to skip, without end", "zstd", "\x50\x2a\x4d\x18\xff\xff\xff\xff" + noise(limit), app, 413, "larger than 4194304 bytes"},
		{"a window of 16 MiB", "zstd", frame(24), app, 400, "window"},
		{"a window of 2 TiB", "zstd", frame(41), app, 400, "window"},
		{"a segment of 16 EiB", "zstd", "\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x00", app, 400, "window"},
		{"a second frame with a larger window", "zstd", frame(10) + frame(23), app, 400, "window"},
		{"one behind a frame to skip", "zstd", "\x50\x2a\x4d\x18\x00\x00\x00\x00" + frame(23), app, 400, "window"},
		{"the largest window", "zstd", frame(23), app, 204, ""},
		{"a dictionary", "zstd", "\x28\xb5\x2f\xfd\x21\x07\x00\x01\x00\x00", app, 400, "not what"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			resp := post(test.app, "/drop", test.encoding, test.sent)
			runtime.ReadMemStats(&after)
			if got := body(t, resp); resp.StatusCode != test.status || !strings.Contains(got, test.says) {
				t.Errorf("%d %.200s", resp.StatusCode, got)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 12<<20 {
				t.Errorf("%d KiB of memory", grown>>10)
			}
		})
	}
}

// noise is n bytes that no encoding makes much shorter.
func noise(n int) string {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

// Ten bytes make the decoder allocate its window, so who may do so is counted.
func TestWindowsTogetherHaveABound(t *testing.T) {
	app := readers(t, &middleware.Decompression{Windows: 2 * 8 << 20}, 1<<20)
	begun, end := make(chan struct{}), make(chan struct{})
	answers := make(chan int)
	for range 2 {
		go func() {
			r := httptest.NewRequest("POST", "/async", io.MultiReader(strings.NewReader(frame(23)+frame(10)), signal{begun}, waiting{end}))
			r.Header.Set("Content-Encoding", "zstd")
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			answers <- w.Code
		}()
	}
	<-begun
	<-begun
	resp := post(app, "/async", "zstd", frame(23))
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the third: %d %v", resp.StatusCode, resp.Header)
	}
	for _, other := range []string{frame(20), encoded(t, "gzip", "x")} {
		encoding := "zstd"
		if strings.HasPrefix(other, "\x1f") {
			encoding = "gzip"
		}
		if resp := post(app, "/async", encoding, other); resp.StatusCode != 200 {
			t.Errorf("one that needs none: %d", resp.StatusCode)
		}
	}
	close(end)
	for range 2 {
		if code := <-answers; code != 200 {
			t.Errorf("one of the two: %d", code)
		}
	}
	for range 3 {
		if resp := post(app, "/async", "zstd", frame(23)); resp.StatusCode != 200 {
			t.Errorf("afterwards: %d", resp.StatusCode)
		}
	}
}

type signal struct{ c chan struct{} }

func (s signal) Read([]byte) (int, error) { s.c <- struct{}{}; return 0, io.EOF }

type waiting struct{ c chan struct{} }

func (w waiting) Read([]byte) (int, error) { <-w.c; return 0, io.EOF }

// A client that waits to be asked for its body is not, where the answer is known.
func TestABodyThatIsRefusedIsNotAskedFor(t *testing.T) {
	srv := httptest.NewServer(readers(t, &middleware.Decompression{}, 1000))
	defer srv.Close()
	for header, status := range map[string]string{
		"Content-Encoding: br\r\nContent-Length: 10":     "415",
		"Content-Encoding: gzip\r\nContent-Length: 1001": "413",
	} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /async HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n%s\r\n\r\n", header)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 "+status) {
			t.Errorf("%q: %q, %v", header, line, err)
		}
		_ = conn.Close()
	}
}

func BenchmarkDecompress(b *testing.B) {
	text := strings.Repeat(`{"id":1234,"name":"somebody","note":"all work and no play"},`, 1000)
	app := readers(b, &middleware.Decompression{}, 10<<20)
	for _, encoding := range []string{"identity", "gzip", "deflate", "zstd"} {
		sent := encoded(b, encoding, text)
		b.Run(encoding, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if resp := post(app, "/drop", encoding, sent); resp.StatusCode != 204 {
					b.Fatal(resp.Status)
				}
			}
		})
	}
}

// A view may hand the body to somebody who reads it behind the request's end, as an
// http.Transport does whose server answers early.
func TestABodyThatIsReadBehindItsRequest(t *testing.T) {
	for _, encoding := range []string{"gzip", "deflate", "zstd"} {
		m, err := middleware.Decompress(middleware.Decompression{})
		if err != nil {
			t.Fatal(err)
		}
		app, ended := view.New(), make(chan error, 1)
		app.Use(m)
		began := make(chan struct{})
		app.Routes(view.Path("/late", func(_ context.Context, r *view.Request) (view.Response, error) {
			go func() {
				_, err := io.Copy(io.Discard, r.Body())
				ended <- err
			}()
			<-began
			return view.NoContent(), nil
		}))
		sent := encoded(t, encoding, noise(1<<18))
		body, client := io.Pipe()
		r := httptest.NewRequest("POST", "/late", body)
		r.Header.Set("Content-Encoding", encoding)
		answered := make(chan struct{})
		go func() {
			app.ServeHTTP(httptest.NewRecorder(), r)
			close(answered)
		}()
		// Who reads waits for more when this was taken.
		if _, err := io.WriteString(client, sent[:len(sent)/2]); err != nil {
			t.Fatal(err)
		}
		close(began)
		<-answered
		again := post(readers(t, &middleware.Decompression{}, 1<<20), "/drop", encoding, sent) // may get a decoder that was given back
		if again.StatusCode != http.StatusNoContent {
			t.Errorf("%s: another request: %s", encoding, again.Status)
		}
		go func() { _, _ = io.WriteString(client, sent[len(sent)/2:]) }() // no more than one read takes of it
		err = <-ended
		_ = body.Close()
		if err == nil || !strings.Contains(fmt.Sprint(errors.Unwrap(err)), "after its end") {
			t.Errorf("%s: the read ended with %v", encoding, err)
		}
	}
}

// A bound that is as large as can be is one all the same.
func TestTheLargestBound(t *testing.T) {
	if resp := post(readers(t, &middleware.Decompression{}, math.MaxInt64), "/drop", "gzip", encoded(t, "gzip", "text")); resp.StatusCode != http.StatusNoContent {
		t.Error(resp.Status)
	}
}
