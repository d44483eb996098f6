package middleware_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

// encoded is s in an encoding.
func encoded(t testing.TB, encoding, s string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip", "x-gzip", "GZIP":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return s
	}
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type note struct {
	Text string `json:"text"`
}

// readers are routes that read their bodies in all the ways there are.
func readers(t testing.TB, c *middleware.Decompression, limit int64) *view.App {
	t.Helper()
	app := view.New(view.Logger(slog.New(slog.DiscardHandler)), view.BodyLimit(limit),
		view.Observe(func(*view.Request, view.Outcome) {})) // it has the app count what comes
	if c != nil {
		m, err := middleware.Decompress(*c)
		if err != nil {
			t.Fatal(err)
		}
		app.Use(m)
	}
	whole := func(r *view.Request) (view.Response, error) {
		b, err := io.ReadAll(r.Body())
		if err != nil {
			return nil, err
		}
		return view.Text(string(b)), nil
	}
	typed := func(_ context.Context, _ *view.Request, in struct{ Body note }) (view.Response, error) {
		return view.Text(in.Body.Text), nil
	}
	app.Routes(
		view.Path("/async", func(_ context.Context, r *view.Request) (view.Response, error) { return whole(r) }),
		view.Path("/sync", whole),
		view.Path("/decode", func(_ context.Context, r *view.Request) (view.Response, error) {
			v, err := view.Decode[note](r)
			return view.Text(v.Text), err
		}),
		view.Path("/typed", view.JSONView(typed)),
		view.Path("/form", func(_ context.Context, r *view.Request) (view.Response, error) {
			form, err := r.Form()
			return view.Text(form.Get("text")), err
		}),
		view.Path("/plain", func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				http.Error(w, err.Error(), http.StatusTeapot)
				return
			}
			_, _ = w.Write(b)
		}),
		view.Path("/drop", func(_ context.Context, r *view.Request) (view.Response, error) {
			_, err := io.Copy(io.Discard, r.Body())
			return view.NoContent(), err
		}),
		view.Path("/unread", func(_ context.Context, r *view.Request) (view.Response, error) {
			return view.Text(fmt.Sprint(r.ContentLength(), r.Header().Get("Content-Length"), r.Header().Get("Content-Encoding"))), nil
		}),
	)
	return app
}

// post sends a body in an encoding.
func post(h http.Handler, target, encoding, body string) *http.Response {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	kind := "application/json"
	if target == "/form" {
		kind = "application/x-www-form-urlencoded"
	}
	r.Header.Set("Content-Type", kind)
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestABodyIsReadAsItWasBeforeItWasCoded(t *testing.T) {
	app := readers(t, &middleware.Decompression{}, 1<<20)
	for _, encoding := range []string{"", "identity", "gzip", "x-gzip", "GZIP", "deflate", "zstd"} {
		for range 2 { // decoders are used again
			for _, long := range []string{"hi", strings.Repeat("all work and no play. ", 20_000)} {
				for target, sent := range map[string]string{
					"/async": long, "/sync": long, "/plain": long, "/form": "text=" + strings.ReplaceAll(long, " ", "+"),
					"/decode": `{"text":"` + long + `"}`, "/typed": `{"text":"` + long + `"}`,
				} {
					resp := post(app, target, encoding, encoded(t, encoding, sent))
					if got := body(t, resp); resp.StatusCode != 200 || got != long {
						t.Errorf("%s in %q: %d %.100q", target, encoding, resp.StatusCode, got)
					}
				}
			}
		}
	}
	if got := body(t, post(app, "/unread", "gzip", encoded(t, "gzip", "x"))); got != "-1" {
		t.Errorf("length and headers: %q", got)
	}
	several := encoded(t, "gzip", "one ") + encoded(t, "gzip", "") + encoded(t, "gzip", "two")
	if got := body(t, post(app, "/async", "gzip", several)); got != "one two" {
		t.Errorf("several members: %q", got)
	}
	several = encoded(t, "zstd", "one ") + "\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + encoded(t, "zstd", "two")
	if got := body(t, post(app, "/async", "zstd", several)); got != "one two" {
		t.Errorf("several frames, one to skip: %q", got)
	}
}

func TestAnEncodingThatIsNotTakenIsA415ThatSaysWhichAre(t *testing.T) {
	const sent = "whatever"
	with, without := readers(t, &middleware.Decompression{}, 1<<20), readers(t, nil, 1<<20)
	for _, test := range []struct {
		app      *view.App
		name     string
		encoding string
		accept   string
		targets  []string
	}{
		{with, "unknown", "br", "zstd, gzip, deflate", []string{"/async", "/sync", "/decode", "/typed", "/form"}},
		{with, "nested", "gzip, gzip", "zstd, gzip, deflate", []string{"/async", "/sync", "/decode", "/typed", "/form"}},
		{without, "no middleware", "gzip", "identity", []string{"/decode", "/typed", "/form"}},
		{without, "no middleware, unknown", "sdch", "identity", []string{"/decode", "/typed", "/form"}},
	} {
		for _, target := range test.targets {
			resp := post(test.app, target, test.encoding, sent)
			if got := body(t, resp); resp.StatusCode != 415 || resp.Header.Get("Accept-Encoding") != test.accept || !strings.Contains(got, "content encoding") {
				t.Errorf("%s %s: %d %v %s", test.name, target, resp.StatusCode, resp.Header, got)
			}
		}
		if resp := post(test.app, "/unread", test.encoding, sent); resp.StatusCode != 200 {
			t.Errorf("%s: a view that reads nothing: %d", test.name, resp.StatusCode)
		}
	}
	if resp := post(without, "/decode", "identity", `{"text":"x"}`); resp.StatusCode != 200 {
		t.Errorf("identity: %d", resp.StatusCode)
	}
	if resp := post(without, "/async", "gzip", sent); resp.StatusCode != 200 || body(t, resp) != sent {
		t.Errorf("Body is what was sent: %d", resp.StatusCode)
	}
	for _, app := range []*view.App{with, without} {
		r := httptest.NewRequest("GET", "/form?text=q", nil)
		r.Header.Set("Content-Encoding", "gzip")
		w := httptest.NewRecorder()
		if app.ServeHTTP(w, r); w.Code != 200 || w.Body.String() != "q" {
			t.Errorf("no body: %d %s", w.Code, w.Body)
		}
	}
}

func TestABodyThatBreaksOffOrGoesOnIsA400(t *testing.T) {
	app := readers(t, &middleware.Decompression{}, 1<<20)
	for _, encoding := range []string{"gzip", "deflate", "zstd"} {
		whole := encoded(t, encoding, `{"text":"`+strings.Repeat("abcdefgh", 100)+`"}`)
		for _, target := range []string{"/async", "/sync", "/decode", "/typed"} {
			for n := range len(whole) {
				resp := post(app, target, encoding, whole[:n])
				if n == 0 {
					if resp.StatusCode != 200 && resp.StatusCode != 400 { // no body at all: to be read or not
						t.Errorf("%s %s of nothing: %d", encoding, target, resp.StatusCode)
					}
					continue
				}
				if got := body(t, resp); resp.StatusCode != 400 || !strings.Contains(got, "breaks off") {
					t.Errorf("%s %s cut to %d of %d: %d %s", encoding, target, n, len(whole), resp.StatusCode, got)
				}
			}
			for _, behind := range []string{"x", "\x00", "\x1f", "\x1f\x8b", "\x28\xb5\x2f", "garbage that is long enough to be a header"} {
				if resp := post(app, target, encoding, whole+behind); resp.StatusCode != 400 {
					t.Errorf("%s %s with %q behind it: %d %s", encoding, target, behind, resp.StatusCode, body(t, resp))
				}
			}
			bad := []byte(whole)
			bad[len(bad)-2] ^= 0x40 // of the checksum
			if resp := post(app, target, encoding, string(bad)); resp.StatusCode != 400 {
				t.Errorf("%s %s with a wrong checksum: %d %s", encoding, target, resp.StatusCode, body(t, resp))
			}
		}
		if resp := post(app, "/async", encoding, "no such encoding"); resp.StatusCode != 400 || !strings.Contains(body(t, resp), "not what its content encoding says") {
			t.Errorf("%s: not at all: %d", encoding, resp.StatusCode)
		}
	}
}

// The error's body says what it is, for any of the readers.
func TestAnErrorOfDecodingIsTheAppsOwn(t *testing.T) {
	app := readers(t, &middleware.Decompression{}, 1<<20)
	resp := post(app, "/typed", "gzip", "x")
	var said view.ErrorBody
	if err := json.Unmarshal([]byte(body(t, resp)), &said); err != nil || said.RequestID == "" || strings.Contains(said.Error, "gzip:") {
		t.Errorf("%+v, %v", said, err)
	}
	if resp := post(app, "/plain", "gzip", "x"); resp.StatusCode != http.StatusTeapot {
		t.Errorf("a plain handler sees it too: %d", resp.StatusCode)
	}
}

func TestDecompressionThatIsSetUpWronglyIsRefused(t *testing.T) {
	for _, c := range []middleware.Decompression{{Ratio: -1}, {Windows: -1}, {Windows: 1 << 20}} {
		if _, err := middleware.Decompress(c); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
}

func FuzzDecompress(f *testing.F) {
	for _, encoding := range []string{"gzip", "deflate", "zstd"} {
		f.Add(encoding, encoded(f, encoding, "text"))
		f.Add(encoding, encoded(f, encoding, "")+encoded(f, encoding, strings.Repeat("x", 3000))+"tail")
	}
	f.Add("zstd", "\x28\xb5\x2f\xfd\x00\x68\x02\x00\x10x\x01\x00\x00")
	f.Add("zstd", "\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\xff")
	const limit = 4096
	app := readers(f, &middleware.Decompression{}, limit)
	f.Fuzz(func(t *testing.T, encoding, sent string) {
		resp := post(app, "/async", encoding, sent)
		got := body(t, resp)
		switch resp.StatusCode {
		case 200:
			if len(got) > limit {
				t.Errorf("%d bytes", len(got))
			}
			if z, err := gzip.NewReader(strings.NewReader(sent)); encoding == "gzip" && err == nil {
				if want, err := io.ReadAll(z); string(want) != got || err != nil {
					t.Errorf("%q, %v; want %q", got, err, want)
				}
			}
		case 400, 413, 415:
		default:
			t.Errorf("%s in %s: %d %s", base64.StdEncoding.EncodeToString([]byte(sent)), encoding, resp.StatusCode, got)
		}
	})
}
