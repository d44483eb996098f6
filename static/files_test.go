package static_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/static"
	"github.com/tandem-go/tandem/view"
)

func TestAFileIsServedWithTheTypeOfItsName(t *testing.T) {
	both(t, static.Options{Types: map[string]string{".min": "text/x-min"}, Header: http.Header{"Access-Control-Allow-Origin": {"*"}}}, func(t *testing.T, app http.Handler) {
		for target, want := range map[string]struct{ kind, body string }{
			"/static/app.css":                         {"text/css; charset=utf-8", text},
			"/static/plain.txt":                       {"text/plain; charset=utf-8", "0123456789"},
			"/static/sub/a.b.min.js":                  {"text/javascript; charset=utf-8", "a()"},
			"/static/sub/LICENSE":                     {"application/octet-stream", "free"},
			"/static/photo.png":                       {"image/png", "png"},
			"/static/odd.xyz":                         {"application/octet-stream", "<script>"},
			"/static/empty.txt":                       {"text/plain; charset=utf-8", ""},
			"/static/app.css.gz":                      {"application/gzip", gzipped(t, text)},
			"/static/strange%20name%20&%20%C3%BC.txt": {"text/plain; charset=utf-8", "strange"},
		} {
			for _, method := range []string{"GET", "HEAD"} {
				resp := do(app, method, target)
				got := want.body
				if method == "HEAD" {
					got = ""
				}
				h := resp.Header
				if resp.StatusCode != 200 || body(t, resp) != got || h.Get("Content-Type") != want.kind || h.Get("X-Content-Type-Options") != "nosniff" ||
					h.Get("Content-Length") != fmt.Sprint(len(want.body)) || h.Get("Accept-Ranges") != "bytes" || h.Get("Etag") == "" ||
					h.Get("Cache-Control") != "public, max-age=60" || h.Get("Access-Control-Allow-Origin") != "*" ||
					h.Get("Last-Modified") != "Wed, 01 May 2024 12:00:00 GMT" || h.Get("Content-Encoding") != "" {
					t.Errorf("%s %s: %d %v", method, target, resp.StatusCode, h)
				}
			}
		}
	})
}

func TestWhatIsNoFileIsTheAppsOwn404(t *testing.T) {
	both(t, static.Options{}, func(t *testing.T, app http.Handler) {
		want := do(app, "GET", "/nowhere")
		for _, target := range []string{
			"/static/missing.css", "/static/", "/static/sub", "/static/sub/", "/static/.env", "/static/.git/config", "/static/sub/.hidden",
			"/static/plain.txt/", "/static/plain.txt/x", "/static/a%00b", "/static/sub%5ca.b.min.js", "/static/" + strings.Repeat("x", 5000), "/static/%ff",
		} {
			resp := do(app, "GET", target)
			if resp.StatusCode != 404 || resp.Header.Get("Content-Type") != want.Header.Get("Content-Type") || !strings.HasPrefix(body(t, resp), `{"error":"not found"`) {
				t.Errorf("%s: %d %v", target, resp.StatusCode, resp.Header)
			}
		}
		if resp := do(app, "POST", "/static/app.css"); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST: %d %v", resp.StatusCode, resp.Header)
		}
	})
}

func TestNoPathLeadsOutOfTheTree(t *testing.T) {
	outer := disk(t, map[string]string{"secret.txt": "secret", "www/in.txt": "in", "www/sub/deep.txt": "deep", "www2/x.txt": "other"})
	www := filepath.Join(outer, "www")
	for link, to := range map[string]string{
		"abs.txt": filepath.Join(outer, "secret.txt"), "rel.txt": "../secret.txt", "up": "..", "loop": "loop", "inside.txt": "sub/deep.txt", "dir": "sub",
		"sub/out.txt": "../../www2/x.txt",
	} {
		if err := os.Symlink(to, filepath.Join(www, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(www, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Not behind a mux, which would clean the path first.
	files := open(t, www, static.Options{Prefix: "/"})
	for target, want := range map[string]string{
		"/in.txt": "in", "/inside.txt": "deep", "/dir/deep.txt": "deep",
		"/../secret.txt": "", "/sub/../../secret.txt": "", "/%2e%2e/secret.txt": "", "/..%2fsecret.txt": "", "/../www2/x.txt": "", "//in.txt": "", "/./in.txt": "",
		"/abs.txt": "", "/rel.txt": "", "/up/secret.txt": "", "/loop": "", "/sub/out.txt": "", "/fifo": "", "/etc/passwd": "",
		"/sub//deep.txt": "", "/sub/../in.txt": "",
	} {
		resp := do(files, "GET", target)
		got := body(t, resp)
		if want != "" && (resp.StatusCode != 200 || got != want) || want == "" && (resp.StatusCode != 404 || got != "not found\n") {
			t.Errorf("%s: %d %q", target, resp.StatusCode, got)
		}
	}
}

func TestDotfilesAreServedWhereTheyAreAskedFor(t *testing.T) {
	both(t, static.Options{Dotfiles: true}, func(t *testing.T, app http.Handler) {
		if resp := do(app, "GET", "/static/.git/config"); resp.StatusCode != 200 || body(t, resp) != "x" {
			t.Errorf("%d", resp.StatusCode)
		}
	})
}

func TestIndexAndFallback(t *testing.T) {
	both(t, static.Options{Prefix: "/", Index: "index.html", Fallback: "index.html"}, func(t *testing.T, app http.Handler) {
		for target, want := range map[string]string{
			"/": "<p>home", "/sub/": "<p>sub", "/index.html": "<p>home", "/posts/7": "<p>home", "/posts/": "<p>home", "/sub": "<p>home", "/photo.gif": "", "/v1.2/x.js": "",
		} {
			resp := do(app, "GET", target)
			got := body(t, resp)
			if want == "" && resp.StatusCode != 404 || want != "" && (got != want || resp.Header.Get("Content-Type") != "text/html; charset=utf-8") {
				t.Errorf("%s: %d %q", target, resp.StatusCode, got)
			}
		}
		if cache := do(app, "GET", "/posts/7").Header.Get("Cache-Control"); cache != "no-cache" {
			t.Errorf("the fallback may be kept: %s", cache)
		}
	})
}

func TestFallbackWithoutIndex(t *testing.T) {
	both(t, static.Options{Prefix: "/", Fallback: "index.html"}, func(t *testing.T, app http.Handler) {
		for _, target := range []string{"/", "/posts/7"} {
			if resp := do(app, "GET", target); resp.StatusCode != 200 || body(t, resp) != "<p>home" {
				t.Errorf("%s: %s", target, resp.Status)
			}
		}
	})
}

func TestOptionsThatAreWrongAreNamed(t *testing.T) {
	tree := memory(content(t))
	for want, o := range map[string]static.Options{
		"a prefix of \"static/\"":      {Prefix: "static/"},
		"a prefix of \"/static\"":      {Prefix: "/static"},
		"a prefix of \"/a//b/\"":       {Prefix: "/a//b/"},
		"a prefix of \"/{x}/\"":        {Prefix: "/{x}/"},
		"a MaxAge of 1.5s":             {MaxAge: 1500 * time.Millisecond},
		"an index of \"a/b\"":          {Index: "a/b"},
		"a fallback of \"../x\"":       {Fallback: "../x"},
		"the fallback missing.html":    {Fallback: "missing.html"},
		"a type for \"glb\"":           {Types: map[string]string{"glb": "model/gltf-binary"}},
		"the type \"nonsense\"":        {Types: map[string]string{".glb": "nonsense"}},
		"write X-A":                    {Header: http.Header{"x-a": {"1"}}},
		"Cache-Control is made for ea": {Header: http.Header{"Cache-Control": {"no-store"}}},
	} {
		if _, err := static.FS(tree, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
	if _, err := static.Dir(filepath.Join(t.TempDir(), "missing"), static.Options{}); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestMaxAgeIsSaid(t *testing.T) {
	tree := memory(content(t))
	for age, want := range map[time.Duration]string{0: "public, max-age=60", time.Hour: "public, max-age=3600", -1: "no-cache"} {
		if got := do(hashed(t, tree, static.Options{MaxAge: age}), "GET", "/static/app.css").Header.Get("Cache-Control"); got != want {
			t.Errorf("%v: %q", age, got)
		}
	}
}

func TestPlainHandlerRefusesOtherMethodsAndPaths(t *testing.T) {
	f := hashed(t, memory(content(t)), static.Options{})
	if resp := do(f, "DELETE", "/static/app.css"); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("DELETE: %d", resp.StatusCode)
	}
	if resp := do(f, "GET", "/app.css"); resp.StatusCode != 404 {
		t.Errorf("outside of the prefix: %d", resp.StatusCode)
	}
	if resp := do(f, "GET", "/static/plain.txt", "Range", "bytes=20-"); resp.StatusCode != 416 || resp.Header.Get("Content-Range") != "bytes */10" || resp.Header.Get("Etag") != "" {
		t.Errorf("416: %d %v", resp.StatusCode, resp.Header)
	}
}

func TestAPermissionThatIsMissingIsForbidden(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := disk(t, map[string]string{"a.txt": "a"})
	if err := os.Chmod(filepath.Join(dir, "a.txt"), 0); err != nil {
		t.Fatal(err)
	}
	resp := do(open(t, dir, static.Options{}), "GET", "/static/a.txt")
	if got := body(t, resp); resp.StatusCode != 403 || got != "Forbidden\n" {
		t.Errorf("%d %q", resp.StatusCode, got)
	}
}

func TestTheAnswerHoldsNoPermit(t *testing.T) {
	app := served(hashed(t, memory(content(t)), static.Options{}))
	plan := app.Plan()[0]
	if plan.Pattern != "GET /static/" || plan.Colour != view.Async || plan.Crossings != 0 || plan.Name != "static" {
		t.Errorf("%+v", plan)
	}
}
