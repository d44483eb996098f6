package middleware_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

var page = strings.Repeat("all work and no play ", 200)

// handled puts Compress around a plain handler.
func handled(t testing.TB, h http.HandlerFunc) *view.App {
	t.Helper()
	m, err := middleware.Compress(middleware.Compression{})
	if err != nil {
		t.Fatal(err)
	}
	return around(m, view.Path("/", h))
}

// answers with a page and these headers, of pairs of name and value.
func answers(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for i := 0; i < len(header); i += 2 {
			w.Header().Add(header[i], header[i+1])
		}
		w.WriteHeader(status)
		if status != 204 && status != 304 {
			_, _ = io.WriteString(w, page)
		}
	}
}

func TestCompressByClause(t *testing.T) {
	ok := answers(200)
	tests := []struct {
		clause   string
		accept   []string
		h        http.HandlerFunc
		encoding string
	}{
		{"12.5.3 nothing said", nil, ok, ""},
		{"12.5.3 an empty list", []string{""}, ok, ""},
		{"12.5.3 *", []string{"*"}, ok, "zstd"},
		{"12.5.3 * without what is refused", []string{"zstd;q=0, *"}, ok, "gzip"},
		{"12.5.3 identity is preferred", []string{"identity, gzip;q=0.5"}, ok, ""},
		{"12.5.3 identity refused", []string{"identity;q=0, gzip;q=0.5"}, ok, "gzip"},
		{"12.5.3 all refused", []string{"*;q=0"}, ok, ""},
		{"12.4.2 0 is no", []string{"gzip;q=0, zstd;q=0.000"}, ok, ""},
		{"12.4.2 three digits", []string{"gzip;q=0.501, zstd;q=0.5"}, ok, "gzip"},
		{"12.4.2 a weight that is none", []string{"gzip;q=high, zstd;q=2"}, ok, ""},
		{"5.3 several lines", []string{"br", "gzip"}, ok, "gzip"},
		{"8.4.1.3 x-gzip", []string{"x-gzip"}, ok, "gzip"},
		{"8.4 an unknown one", []string{"br, compress"}, ok, ""},
		{"7.7 no-transform", []string{"gzip"}, answers(200, "Cache-Control", "max-age=1, No-Transform"), ""},
		{"8.4 encoded already", []string{"gzip"}, answers(200, "Content-Encoding", "br"), "br"},
		{"14.4 a part", []string{"gzip"}, answers(206, "Content-Range", "bytes 0-4199/9000"), ""},
		{"15.3.7.2 parts", []string{"gzip"}, answers(206, "Content-Type", "text/x-parts"), ""},
		{"14.4 a part with another status", []string{"gzip"}, answers(200, "Content-Range", "bytes 0-4199/9000"), ""},
		{"an error is a page too", []string{"gzip"}, answers(404), "gzip"},
	}
	for _, test := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		if test.accept != nil {
			r.Header["Accept-Encoding"] = test.accept
		}
		w := httptest.NewRecorder()
		handled(t, test.h).ServeHTTP(w, r)
		resp := w.Result()
		if got := resp.Header.Get("Content-Encoding"); got != test.encoding {
			t.Errorf("%s: encoding %q", test.clause, got)
			continue
		}
		if test.encoding == "br" {
			continue
		}
		got, err := io.ReadAll(decoder(t, test.encoding, resp.Body))
		if string(got) != page || err != nil || !slices.Contains(resp.Header["Vary"], "Accept-Encoding") {
			t.Errorf("%s: %d bytes, %v, %v", test.clause, len(got), err, resp.Header)
		}
	}
}

func TestTheHeaderIsTrueOfWhatIsSent(t *testing.T) {
	digests := []string{"Content-Digest", "sha-256=:x:", "Repr-Digest", "sha-256=:x:", "Accept-Ranges", "bytes", "Content-Length", fmt.Sprint(len(page))}
	for _, test := range []struct {
		name, method, accept string
		h                    http.HandlerFunc
		want                 map[string]string
	}{
		{"compressed", "GET", "gzip", answers(200, append(digests, "Etag", `"1"`)...), map[string]string{
			"Content-Digest": "", "Repr-Digest": "", "Accept-Ranges": "", "Content-Length": "", "Etag": `W/"1"`, "Content-Encoding": "gzip",
		}},
		{"not compressed", "GET", "br", answers(200, append(digests, "Etag", `"1"`)...), map[string]string{
			"Content-Digest": "sha-256=:x:", "Accept-Ranges": "bytes", "Content-Length": "4200", "Etag": `"1"`, "Content-Encoding": "",
		}},
		{"8.6: HEAD has no length that GET has not", "HEAD", "gzip", answers(200, append(digests, "Etag", `"1"`)...), map[string]string{
			"Content-Length": "", "Etag": `W/"1"`, "Content-Encoding": "", "Accept-Ranges": "",
		}},
		{"HEAD of what is not compressed", "HEAD", "br", answers(200, append(digests, "Etag", `"1"`)...), map[string]string{
			"Content-Length": "4200", "Etag": `"1"`, "Accept-Ranges": "bytes",
		}},
		{"HEAD without a length", "HEAD", "gzip", answers(200, "Etag", `"1"`), map[string]string{"Etag": `W/"1"`}},
		{"15.4.5: 304 has the tag that 200 has", "GET", "gzip", answers(304, "Etag", `"1"`), map[string]string{"Etag": `W/"1"`, "Content-Encoding": ""}},
		{"15.4.5: and for a client that has it uncompressed", "GET", "gzip", func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("If-None-Match", `"0", "1"`)
			answers(304, "Etag", `"1"`)(w, r)
		}, map[string]string{"Etag": `"1"`}},
		{"304 for a client that gets it plain", "GET", "", answers(304, "Etag", `"1"`), map[string]string{"Etag": `"1"`}},
		{"weak already", "GET", "gzip", answers(200, "Etag", `W/"1"`), map[string]string{"Etag": `W/"1"`}},
		{"what varies by more", "GET", "gzip", answers(200, "Vary", "Origin"), map[string]string{"Vary": "Origin, Accept-Encoding"}},
		{"what varies by it already", "GET", "gzip", answers(200, "Vary", "origin, accept-encoding"), map[string]string{"Vary": "origin, accept-encoding"}},
		{"what varies by all", "GET", "gzip", answers(200, "Vary", "*"), map[string]string{"Vary": "*"}},
		{"a Vary that is set late", "GET", "gzip", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Vary"] = []string{"Origin"}
			_, _ = io.WriteString(w, page)
		}, map[string]string{"Vary": "Origin, Accept-Encoding", "Content-Type": "text/plain; charset=utf-8"}},
		{"a type that is not to be guessed", "GET", "gzip", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, page)
		}, map[string]string{"Content-Encoding": "", "Content-Type": ""}},
		{"a picture, and identity refused", "GET", "identity;q=0, gzip", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, "png")
		}, map[string]string{"Content-Encoding": "gzip", "Content-Type": "image/png"}},
	} {
		resp := do(handled(t, test.h), test.method, "/", "Accept-Encoding", test.accept)
		for key, want := range test.want {
			if got := strings.Join(resp.Header[key], ", "); got != want {
				t.Errorf("%s: %s is %q, want %q", test.name, key, got, want)
			}
		}
		if encoding := resp.Header.Get("Content-Encoding"); encoding != "" {
			if _, err := io.Copy(io.Discard, decoder(t, encoding, resp.Body)); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
	}
}

// The weak tag of a compressed page is the strong one of the page, to a view that compares
// them as a 304 has it.
func TestAClientThatHasThePageCompressedGetsA304(t *testing.T) {
	app := handled(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(page))
	})
	first := do(app, "GET", "/", "Accept-Encoding", "gzip")
	tag := first.Header.Get("Etag")
	if first.Header.Get("Content-Encoding") != "gzip" || tag != `W/"1"` {
		t.Fatalf("%v", first.Header)
	}
	if resp := do(app, "GET", "/", "Accept-Encoding", "gzip", "If-None-Match", tag); resp.StatusCode != 304 || resp.Header.Get("Etag") != tag {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	// And no part of the page, which it could not put to what it has.
	resp := do(app, "GET", "/", "Accept-Encoding", "gzip", "Range", "bytes=0-9", "If-Range", tag)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	resp = do(app, "GET", "/", "Accept-Encoding", "gzip", "Range", "bytes=0-2")
	if resp.StatusCode != 206 || resp.Header.Get("Content-Encoding") != "" || body(t, resp) != "all" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

// An EventSource is open when the header is there, long before the first event.
func TestAFlushBeforeTheFirstByteSendsTheHeader(t *testing.T) {
	for _, accept := range []string{"gzip", "zstd", "identity"} {
		for _, says := range []string{"", "something"} {
			end := make(chan struct{})
			app := handled(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Error(err)
				}
				<-end
				_, _ = io.WriteString(w, says)
			})
			resp := connect(t, app, "/", accept) // returns when the header is there
			close(end)
			encoding := resp.Header.Get("Content-Encoding")
			if want := strings.TrimPrefix(accept, "identity"); encoding != want {
				t.Errorf("encoding %q", encoding)
			}
			if got, err := io.ReadAll(decoder(t, encoding, resp.Body)); string(got) != says || err != nil {
				t.Errorf("%s: %q, %v", accept, got, err)
			}
		}
	}
}

func TestTrailersStayBehindTheBody(t *testing.T) {
	app := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "short")
		w.Header().Set("X-Sum", "5")
	})
	resp := connect(t, app, "/", "gzip")
	got, err := io.ReadAll(decoder(t, resp.Header.Get("Content-Encoding"), resp.Body))
	_, _ = io.Copy(io.Discard, resp.Body)
	if string(got) != "short" || err != nil || resp.Trailer.Get("X-Sum") != "5" || resp.Header.Get("X-Sum") != "" {
		t.Errorf("%q, %v, header %v, trailer %v", got, err, resp.Header, resp.Trailer)
	}
}

func TestPiecesOfAnySizeAreOneBody(t *testing.T) {
	for _, piece := range []int{1, 100, 1023, 1024, 1025, 4200} {
		app := handled(t, func(w http.ResponseWriter, _ *http.Request) {
			for rest := page; rest != ""; {
				n := min(piece, len(rest))
				if got, err := io.WriteString(w, rest[:n]); got != n || err != nil {
					t.Errorf("%d, %v", got, err)
				}
				rest = rest[n:]
			}
		})
		for _, accept := range []string{"gzip", "zstd", "br"} {
			resp := do(app, "GET", "/", "Accept-Encoding", accept)
			got, err := io.ReadAll(decoder(t, resp.Header.Get("Content-Encoding"), resp.Body))
			if string(got) != page || err != nil {
				t.Errorf("pieces of %d in %s: %d bytes, %v", piece, accept, len(got), err)
			}
		}
	}
}

// HTTP/1.0 has no chunks: the body ends with the connection.
func TestHTTP10IsCompressedUpToTheEnd(t *testing.T) {
	srv := httptest.NewServer(handled(t, answers(200)))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(decoder(t, resp.Header.Get("Content-Encoding"), resp.Body))
	if string(got) != page || err != nil || !resp.Close || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%d bytes, %v, %v", len(got), err, resp.Header)
	}
}

// readerFrom is a writer that knows when it is given a file.
type readerFrom struct {
	*httptest.ResponseRecorder
	files int
}

func (w *readerFrom) ReadFrom(r io.Reader) (int64, error) {
	if lr, ok := r.(*io.LimitedReader); ok {
		if _, ok := lr.R.(*os.File); ok {
			w.files++
		}
	}
	return io.Copy(w.ResponseRecorder, r)
}

func TestAFileThatIsNotCompressedGoesThroughAsAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.png")
	if err := os.WriteFile(name, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]int{"image/png": 1, "text/plain": 0} {
		app := handled(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFile(w, r, name)
		})
		w := &readerFrom{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", "gzip")
		app.ServeHTTP(w, r)
		got, err := io.ReadAll(decoder(t, w.Result().Header.Get("Content-Encoding"), w.Body))
		if w.files != want || string(got) != page || err != nil {
			t.Errorf("%s: as a file %d times; %d bytes, %v", kind, w.files, len(got), err)
		}
	}
}

func TestCurlReadsWhatIsCompressed(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here")
	}
	srv := httptest.NewServer(handled(t, answers(200)))
	defer srv.Close()
	for _, args := range [][]string{{"--compressed"}, {"--compressed", "-H", "Accept-Encoding: gzip"}, {"--compressed", "-0", "-H", "Accept-Encoding: gzip"}, {"-H", "Accept-Encoding: identity"}} {
		out, err := exec.CommandContext(t.Context(), curl, append(args, "-s", "--max-time", "20", srv.URL)...).Output()
		if err != nil || string(out) != page {
			t.Errorf("curl %q: %v, %d bytes", args, err, len(out))
		}
	}
}

func BenchmarkCompress(b *testing.B) {
	app := handled(b, answers(200))
	for _, accept := range []string{"identity", "gzip", "zstd"} {
		b.Run(accept, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if resp := do(app, "GET", "/", "Accept-Encoding", accept); resp.StatusCode != 200 {
					b.Fatal(resp.Status)
				}
			}
		})
	}
}
