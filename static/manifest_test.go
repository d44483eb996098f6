package static_test

import (
	"crypto/sha256"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tandem-go/tandem/static"
)

func sum(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s)))[:8] }

func TestAHashedNameIsKeptForEver(t *testing.T) {
	f := hashed(t, memory(content(t)), static.Options{})
	app := served(f)
	for name, want := range map[string]string{
		"app.css":              "/static/app." + sum(text) + ".css",
		"sub/a.b.min.js":       "/static/sub/a.b.min." + sum("a()") + ".js",
		"sub/LICENSE":          "/static/sub/LICENSE." + sum("free"),
		"strange name & ü.txt": "/static/strange%20name%20&%20%C3%BC." + sum("strange") + ".txt",
	} {
		got, err := f.URL(name)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
		resp := do(app, "GET", got)
		if resp.StatusCode != 200 || resp.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || body(t, resp) != content(t)[name] {
			t.Errorf("%s: %d %v", got, resp.StatusCode, resp.Header)
		}
		if kind := do(app, "GET", "/static/"+strings.ReplaceAll(name, " ", "%20")).Header.Get("Content-Type"); kind != resp.Header.Get("Content-Type") {
			t.Errorf("%s: type %s, by its own name %s", got, resp.Header.Get("Content-Type"), kind)
		}
	}
	href, _ := f.URL("app.css")
	resp := do(app, "GET", href, "Accept-Encoding", "zstd")
	if resp.Header.Get("Content-Encoding") != "zstd" || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("its variant: %v", resp.Header)
	}
}

// While a new version is rolled out its pages ask old workers too.
func TestTheHashOfAnotherVersionGetsThisOneButNotForLong(t *testing.T) {
	app := served(hashed(t, memory(content(t)), static.Options{}))
	for target, want := range map[string]int{
		"/static/app.00000000.css": 200, "/static/sub/LICENSE.0123abcd": 200, "/static/app.0000000.css": 404, "/static/app.0000000g.css": 404,
		"/static/app.00000000.css.br": 404, "/static/nothing.00000000.css": 404, "/static/.00000000.css": 404, "/static/00000000": 404,
	} {
		resp := do(app, "GET", target)
		if resp.StatusCode != want || want == 200 && resp.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d %v", target, resp.StatusCode, resp.Header)
		}
	}
}

func TestALinkToNothingIsAnErrorOfTheTemplate(t *testing.T) {
	f := hashed(t, memory(content(t)), static.Options{})
	page := template.Must(template.New("page").Funcs(template.FuncMap{"static": f.URL}).Parse(`<link href="{{static .}}">`))
	var b strings.Builder
	if err := page.Execute(&b, "app.css"); err != nil || !regexp.MustCompile(`^<link href="/static/app\.[0-9a-f]{8}\.css">$`).MatchString(b.String()) {
		t.Errorf("%s, %v", &b, err)
	}
	for _, name := range []string{"missing.css", "", ".", "..", "../x", "/app.css", ".env", "sub", "sub/.hidden"} {
		if u, err := f.URL(name); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("%q: %q, %v", name, u, err)
		}
	}
	live := open(t, disk(t, content(t)), static.Options{Prefix: "/assets/"})
	if u, err := live.URL("a b.css"); u != "/assets/a%20b.css" || err != nil {
		t.Errorf("%q, %v", u, err)
	}
	if _, err := live.URL("../x"); err == nil {
		t.Error("a name that leads out of the directory")
	}
	if live.Manifest() != nil {
		t.Error("a tree that may change has a manifest")
	}
}

func TestTheManifestIsAllThatIsServed(t *testing.T) {
	files := content(t)
	f := hashed(t, memory(files), static.Options{})
	m := f.Manifest()
	for name := range files {
		if hidden := strings.HasPrefix(name, ".") || strings.Contains(name, "/."); (m[name] == "") != hidden {
			t.Errorf("%s: %q", name, m[name])
		}
	}
	m["app.css"] = "changed"
	if u, _ := f.URL("app.css"); strings.Contains(u, "changed") {
		t.Error("the manifest is not the caller's")
	}
}

func TestTreesThatCannotBeServedAreRefused(t *testing.T) {
	if _, err := static.FS(memory(map[string]string{"a.css": "a", "a." + sum("a") + ".css": "b"}), static.Options{}); err == nil || !strings.Contains(err.Error(), "take one of them away") {
		t.Errorf("two files of one name: %v", err)
	}
	if _, err := static.FS(os.DirFS(filepath.Join(t.TempDir(), "missing")), static.Options{}); err == nil {
		t.Error("no tree")
	}
	if _, err := static.FS(unseekable{memory(map[string]string{"a.css": "a"})}, static.Options{}); err == nil || !strings.Contains(err.Error(), "a.css") || !strings.Contains(err.Error(), "seek") {
		t.Errorf("files that do not seek: %v", err)
	}
}

// unseekable is a tree of files that can be read once.
type unseekable struct{ fstest.MapFS }

func (u unseekable) Open(name string) (fs.File, error) {
	f, err := u.MapFS.Open(name)
	if d, ok := f.(fs.ReadDirFile); ok {
		return d, err
	}
	return struct{ fs.File }{f}, err
}

func TestAFileThatChangesAllTheSameIsNotKeptForEver(t *testing.T) {
	dir := disk(t, map[string]string{"app.css": text, "app.css.gz": gzipped(t, text)})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	f := hashed(t, root.FS(), static.Options{})
	app := served(f)
	href, err := f.URL("app.css")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "app.css"), "changed", longAgo.Add(1))
	for _, target := range []string{href, "/static/app.css"} {
		resp := do(app, "GET", target)
		if body(t, resp) != "changed" || strings.Contains(resp.Header.Get("Cache-Control"), "immutable") || resp.Header.Get("Content-Length") != "7" {
			t.Errorf("%s: %v", target, resp.Header)
		}
	}
	// The variant still is what it was: it speaks for the old content under the old hash.
	if resp := do(app, "GET", href, "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the variant: %v", resp.Header)
	}
	if err := os.Remove(filepath.Join(dir, "app.css")); err != nil {
		t.Fatal(err)
	}
	if resp := do(app, "GET", href); resp.StatusCode != http.StatusNotFound {
		t.Errorf("gone: %d", resp.StatusCode)
	}
}

func FuzzNames(f *testing.F) {
	tree := memory(map[string]string{"app.css": "a", "sub/x.js": "x", ".env": "SECRET", "LICENSE": "l"})
	dir := disk(f, map[string]string{"www/app.css": "a", "www/sub/x.js": "x", "www/.env": "SECRET", "www/LICENSE": "l", "secret": "SECRET"})
	fixed := hashed(f, tree, static.Options{Prefix: "/", Index: "x.js"})
	live := open(f, filepath.Join(dir, "www"), static.Options{Prefix: "/", Index: "x.js"})
	for _, seed := range []string{"app.css", "../secret", "sub/", "sub//x.js", "app.ca978112.css", ".env", "sub/../.env", "a\x00b", "LICENSE.0a0a0a0a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, h := range []http.Handler{fixed, live} {
			r := &http.Request{Method: "GET", URL: pathOf(name), Header: http.Header{}}
			resp := serve(h, r)
			switch got := body(t, resp); {
			case resp.StatusCode == 404:
			case resp.StatusCode != 200 || got != "a" && got != "x" && got != "l":
				t.Errorf("%q: %d %q", name, resp.StatusCode, got)
			}
		}
	})
}
