package static_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/static"
	"github.com/tandem-go/tandem/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// long ago, so that the files' times tell them apart.
var longAgo = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

const css = "body { margin: 0; } /* a stylesheet that is long enough to be worth a variant */\n"

func gzipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t testing.TB, s string, opts ...zstd.EOption) string {
	t.Helper()
	z, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(s), nil))
}

// text is long enough that its variants are smaller.
var text = strings.Repeat(css, 20)

// content is a tree by name.
func content(t testing.TB) map[string]string {
	return map[string]string{
		"app.css": text, "app.css.br": "not brotli, but nobody here can tell", "app.css.zst": zstded(t, text), "app.css.gz": gzipped(t, text),
		"only.js": text, "only.js.gz": gzipped(t, text),
		"plain.txt": "0123456789", "index.html": "<p>home", "sub/index.html": "<p>sub", "sub/a.b.min.js": "a()", "sub/LICENSE": "free",
		"photo.png": "png", "odd.xyz": "<script>", "empty.txt": "", ".env": "SECRET=1", ".git/config": "x", "sub/.hidden": "x",
		"strange name & ü.txt": "strange",
	}
}

// memory is a tree in memory, disk one on disk.
func memory(files map[string]string) fstest.MapFS {
	tree := fstest.MapFS{}
	for name, s := range files {
		tree[name] = &fstest.MapFile{Data: []byte(s), ModTime: longAgo}
	}
	return tree
}

func disk(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, s := range files {
		put(t, filepath.Join(dir, name), s, longAgo)
	}
	return dir
}

func put(t testing.TB, name, s string, modified time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(s), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, modified, modified); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, o static.Options) *static.Files {
	t.Helper()
	f, err := static.Dir(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func hashed(t testing.TB, tree fs.FS, o static.Options) *static.Files {
	t.Helper()
	f, err := static.FS(tree, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// both serves the same tree in both ways.
func both(t *testing.T, o static.Options, test func(*testing.T, http.Handler)) {
	files := content(t)
	t.Run("Dir", func(t *testing.T) { test(t, served(open(t, disk(t, files), o))) })
	t.Run("FS", func(t *testing.T) { test(t, served(hashed(t, memory(files), o))) })
}

// served is an app with the files.
func served(f *static.Files) *view.App {
	app := view.New(view.Logger(slog.New(slog.DiscardHandler)))
	app.Routes(f.Route())
	return app
}

// do makes one request; the header is of pairs of name and value.
func do(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// serve takes a request that no client could send.
func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func pathOf(name string) *url.URL { return &url.URL{Path: "/" + name} }
