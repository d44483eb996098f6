package static_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/tandem-go/tandem/static"
)

func TestTheVariantIsTheOneThatTheClientPrefers(t *testing.T) {
	files := content(t)
	both(t, static.Options{}, func(t *testing.T, app http.Handler) {
		tags := map[string]string{}
		for _, test := range []struct{ target, accept, coding string }{
			{"app.css", "gzip, deflate, br, zstd", "br"},
			{"app.css", "gzip, zstd", "zstd"},
			{"app.css", "gzip", "gzip"},
			{"app.css", "gzip;q=1, br;q=0.5", "gzip"},
			{"app.css", "br;q=0, *", "zstd"},
			{"app.css", "*;q=0", ""},
			{"app.css", "identity;q=1, gzip;q=0.9", ""},
			{"app.css", "identity;q=0, gzip;q=0.9", "gzip"},
			{"app.css", "compress", ""},
			{"app.css", "", ""},
			{"only.js", "br, zstd", ""},
			{"only.js", "br, gzip;q=0.1", "gzip"},
			{"only.js", "identity;q=0", ""},
			{"plain.txt", "br, gzip", ""},
			{"photo.png", "br, gzip", ""},
		} {
			name := fmt.Sprintf("%s for %q", test.target, test.accept)
			resp := do(app, "GET", "/static/"+test.target, "Accept-Encoding", test.accept)
			suffix := map[string]string{"br": ".br", "zstd": ".zst", "gzip": ".gz", "": ""}[test.coding]
			want := files[test.target+suffix]
			h := resp.Header
			if resp.StatusCode != 200 || h.Get("Content-Encoding") != test.coding || body(t, resp) != want || h.Get("Content-Length") != fmt.Sprint(len(want)) {
				t.Errorf("%s: %d %v", name, resp.StatusCode, h)
			}
			if strings.HasSuffix(test.target, ".css") && h.Get("Content-Type") != "text/css; charset=utf-8" {
				t.Errorf("%s: type %q", name, h.Get("Content-Type"))
			}
			if vary := h.Get("Vary"); (vary == "Accept-Encoding") != (test.target == "app.css" || test.target == "only.js") && test.target != "plain.txt" {
				t.Errorf("%s: Vary %q", name, vary)
			}
			// 8.8.3: a tag names the bytes that are sent.
			key := test.target + suffix
			if tags[key] == "" {
				tags[key] = h.Get("Etag")
			}
			if tags[key] != h.Get("Etag") {
				t.Errorf("%s: tag %s, then %s", key, tags[key], h.Get("Etag"))
			}
			if resp := do(app, "GET", "/static/"+test.target, "Accept-Encoding", test.accept, "If-None-Match", tags[key]); resp.StatusCode != 304 || resp.Header.Get("Vary") != h.Get("Vary") || resp.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s: with its tag: %d %v", name, resp.StatusCode, resp.Header)
			}
		}
		seen := map[string]string{}
		for name, tag := range tags {
			if !strings.HasPrefix(name, "app.css") {
				continue // only.js has the same bytes
			}
			if other, ok := seen[tag]; ok {
				t.Errorf("%s and %s have the tag %s", name, other, tag)
			}
			seen[tag] = name
		}
		// The conditions are on the variant that would be sent.
		if resp := do(app, "GET", "/static/app.css", "Accept-Encoding", "br", "If-None-Match", tags["app.css"]); resp.StatusCode != 200 {
			t.Errorf("another variant's tag: %d", resp.StatusCode)
		}
		if resp := do(app, "GET", "/static/app.css", "Accept-Encoding", "gzip", "If-Match", `"x"`); resp.StatusCode != 412 || resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("Content-Length") == fmt.Sprint(len(files["app.css.gz"])) {
			t.Errorf("412 of a variant: %d %v", resp.StatusCode, resp.Header)
		}
		// 14: a range is one of the variant's bytes.
		gz := files["app.css.gz"]
		resp := do(app, "GET", "/static/app.css", "Accept-Encoding", "gzip", "Range", "bytes=2-5")
		if got := body(t, resp); resp.StatusCode != 206 || got != gz[2:6] || resp.Header.Get("Content-Range") != fmt.Sprintf("bytes 2-5/%d", len(gz)) ||
			resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("Content-Length") != "4" {
			t.Errorf("a range of a variant: %d %q %v", resp.StatusCode, got, resp.Header)
		}
		resp = do(app, "HEAD", "/static/app.css", "Accept-Encoding", "gzip")
		if resp.Header.Get("Content-Length") != fmt.Sprint(len(gz)) || resp.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("HEAD of a variant: %v", resp.Header)
		}
	})
}

func TestAVariantThatIsOlderOrLargerOrElsewhereIsLeft(t *testing.T) {
	dir := disk(t, map[string]string{"old.css": text, "small.css": "b{}", "small.css.gz": gzipped(t, "b{}"), "link.css": text, "gone.css.gz": "x"})
	put(t, filepath.Join(dir, "old.css.gz"), gzipped(t, "before"), longAgo.Add(-time.Second))
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link.css.gz")); err != nil {
		t.Fatal(err)
	}
	app := served(open(t, dir, static.Options{}))
	for target, want := range map[string]string{"old.css": text, "small.css": "b{}", "link.css": text} {
		resp := do(app, "GET", "/static/"+target, "Accept-Encoding", "gzip")
		if body(t, resp) != want || resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %v", target, resp.Header)
		}
	}
	if resp := do(app, "GET", "/static/gone.css", "Accept-Encoding", "gzip"); resp.StatusCode != 404 {
		t.Errorf("a variant without its file: %d", resp.StatusCode)
	}
}

func TestAVariantThatIsAnotherFileIsFoundAtTheStart(t *testing.T) {
	noise := make([]byte, 0, 20<<20)
	for i := range cap(noise) {
		noise = append(noise, byte(i*i>>7))
	}
	large := string(noise)
	for name, files := range map[string]map[string]string{
		"a.css.gz is not a.css":  {"a.css": text, "a.css.gz": gzipped(t, "other")},
		"a.css.zst is not a.css": {"a.css": text, "a.css.zst": "no zstd"},
		"a.css.gz is not":        {"a.css": text, "a.css.gz": gzipped(t, text)[:20]},
		"window":                 {"a.css": large, "a.css.zst": zstded(t, large, zstd.WithWindowSize(16<<20))},
	} {
		_, err := static.FS(memory(files), static.Options{})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
