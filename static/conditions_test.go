package static_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/static"
)

func TestConditionsByClause(t *testing.T) {
	both(t, static.Options{}, func(t *testing.T, app http.Handler) {
		tag := do(app, "GET", "/static/app.css").Header.Get("Etag")
		const same, before, after = "Wed, 01 May 2024 12:00:00 GMT", "Wed, 01 May 2024 11:59:59 GMT", "Wed, 01 May 2024 12:00:01 GMT"
		tests := []struct {
			clause string
			status int
			header []string
		}{
			{"13.1.1 If-Match: the tag", 200, []string{"If-Match", tag}},
			{"13.1.1 another", 412, []string{"If-Match", `"other"`}},
			{"13.1.1 *", 200, []string{"If-Match", "*"}},
			{"13.1.1 strong comparison", 412, []string{"If-Match", "W/" + tag}},
			{"13.1.1 one of a list", 200, []string{"If-Match", `"other", ` + tag}},
			{"5.3 in the second line", 200, []string{"If-Match", `"other"`, "If-Match", tag}},
			{"13.1.2 If-None-Match: the tag", 304, []string{"If-None-Match", tag}},
			{"13.1.2 weak comparison", 304, []string{"If-None-Match", "W/" + tag}},
			{"13.1.2 another", 200, []string{"If-None-Match", `"other"`}},
			{"13.1.2 *", 304, []string{"If-None-Match", "*"}},
			{"5.3 in the second line", 304, []string{"If-None-Match", `"other"`, "If-None-Match", tag}},
			{"13.1.2 no entity tag", 200, []string{"If-None-Match", strings.Trim(tag, `"`)}},
			{"13.1.3 If-Modified-Since: the same", 304, []string{"If-Modified-Since", same}},
			{"13.1.3 before", 200, []string{"If-Modified-Since", before}},
			{"13.1.3 after", 304, []string{"If-Modified-Since", after}},
			{"13.1.3 no date", 200, []string{"If-Modified-Since", "yesterday"}},
			{"13.1.3 If-None-Match comes first", 200, []string{"If-None-Match", `"other"`, "If-Modified-Since", same}},
			{"13.1.4 If-Unmodified-Since: the same", 200, []string{"If-Unmodified-Since", same}},
			{"13.1.4 before", 412, []string{"If-Unmodified-Since", before}},
			{"13.1.4 If-Match comes first", 200, []string{"If-Match", tag, "If-Unmodified-Since", before}},
			{"13.1.5 If-Range: the tag", 206, []string{"Range", "bytes=0-1", "If-Range", tag}},
			{"13.1.5 strong comparison", 200, []string{"Range", "bytes=0-1", "If-Range", "W/" + tag}},
			{"13.1.5 another", 200, []string{"Range", "bytes=0-1", "If-Range", `"other"`}},
			{"13.1.5 the date", 206, []string{"Range", "bytes=0-1", "If-Range", same}},
			{"13.1.5 a later date is another", 200, []string{"Range", "bytes=0-1", "If-Range", after}},
			{"13.1.5 without Range", 200, []string{"If-Range", `"other"`}},
			{"13.2.2 a false condition comes before Range", 304, []string{"If-None-Match", tag, "Range", "bytes=0-1"}},
			{"13.2.2 also before one that is not there", 412, []string{"If-Match", `"other"`, "Range", "bytes=99999-"}},
		}
		for _, method := range []string{"GET", "HEAD"} {
			for _, test := range tests {
				resp := do(app, method, "/static/app.css", test.header...)
				want := test.status
				if method == "HEAD" && want == 206 {
					want = 200 // 14.2
				}
				h := resp.Header
				if resp.StatusCode != want {
					t.Errorf("%s %s: %d, want %d", method, test.clause, resp.StatusCode, want)
				}
				switch {
				case want == 304 && (h.Get("Etag") != tag || h.Get("Cache-Control") == "" || h.Get("Vary") != "Accept-Encoding" || h.Get("Content-Length") != "" || body(t, resp) != ""):
					t.Errorf("%s %s: 15.4.5 wants other headers than %v", method, test.clause, h)
				case want == 412 && (h.Get("Etag") != "" || h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store"):
					t.Errorf("%s %s: the error has headers of the file: %v", method, test.clause, h)
				}
			}
		}
	})
}

// In the moment after a change another one may go without a trace.
func TestAFileThatHasJustChangedHasAWeakTagAndNoPartOfIt(t *testing.T) {
	dir := disk(t, map[string]string{"a.txt": "0123456789"})
	app := served(open(t, dir, static.Options{}))
	name := filepath.Join(dir, "a.txt")
	old := do(app, "GET", "/static/a.txt").Header.Get("Etag")

	ahead := time.Now().Add(time.Hour)
	if err := os.Chtimes(name, ahead, ahead); err != nil {
		t.Fatal(err)
	}
	h := do(app, "GET", "/static/a.txt").Header
	tag := h.Get("Etag")
	if !strings.HasPrefix(tag, `W/"`) || h.Get("Last-Modified") != "" {
		t.Errorf("a time ahead: %v", h) // 8.8.2.1: no Last-Modified after the Date
	}
	if resp := do(app, "GET", "/static/a.txt", "If-None-Match", tag); resp.StatusCode != 304 {
		t.Errorf("the weak tag: %d", resp.StatusCode)
	}
	if resp := do(app, "GET", "/static/a.txt", "If-None-Match", old); resp.StatusCode != 200 {
		t.Errorf("the tag from before: %d", resp.StatusCode)
	}
	for _, validator := range []string{tag, ahead.UTC().Format(http.TimeFormat)} {
		if resp := do(app, "GET", "/static/a.txt", "Range", "bytes=0-1", "If-Range", validator); resp.StatusCode != 200 {
			t.Errorf("If-Range %s: %d", validator, resp.StatusCode)
		}
	}
	if resp := do(app, "GET", "/static/a.txt", "Range", "bytes=0-1"); resp.StatusCode != 206 {
		t.Errorf("a range without a condition: %d", resp.StatusCode)
	}
}

func TestEachFileOnDiskHasATagOfItsOwn(t *testing.T) {
	dir := disk(t, map[string]string{"a.txt": "aaaa", "b.txt": "bbbb"})
	app := served(open(t, dir, static.Options{}))
	tag := func() string { return do(app, "GET", "/static/a.txt").Header.Get("Etag") }
	first := tag()
	put(t, filepath.Join(dir, "a.txt"), "cccc", longAgo.Add(time.Millisecond))
	second := tag()
	put(t, filepath.Join(dir, "a.txt"), "ccccc", longAgo.Add(time.Millisecond))
	third := tag()
	// Same time, same size, another file in its place.
	put(t, filepath.Join(dir, "new"), "ddddd", longAgo.Add(time.Millisecond))
	if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "a.txt")); err != nil {
		t.Fatal(err)
	}
	fourth := tag()
	if first == second || second == third || third == fourth || first[0] != '"' {
		t.Errorf("tags %s %s %s %s", first, second, third, fourth)
	}
}

// Build systems that set all times to the epoch tell nothing by them.
func TestATimeThatMeansNothingIsNoValidator(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.txt"), "a", time.Unix(1, 0))
	h := do(open(t, dir, static.Options{}), "GET", "/static/a.txt").Header
	if h.Get("Etag") != "" || h.Get("Last-Modified") != "" {
		t.Errorf("%v", h)
	}
	tree := memory(map[string]string{"a.txt": "a"})
	tree["a.txt"].ModTime = time.Time{} // as embedded ones
	h = do(hashed(t, tree, static.Options{}), "GET", "/static/a.txt").Header
	if h.Get("Etag") == "" || h.Get("Last-Modified") != "" {
		t.Errorf("what is hashed has its tag all the same: %v", h)
	}
}

func FuzzConditionsNeverServeMoreThanTheFile(f *testing.F) {
	files := open(f, disk(f, map[string]string{"a.txt": "0123456789"}), static.Options{})
	for _, seed := range [][3]string{{"bytes=0-1", "", ""}, {"bytes=0-1,3-4", `"x"`, ""}, {"bytes=-0", "", "*"}, {"items=1-2", "", "W/"}, {"bytes=5-,0-7,-3,9-", "", ""}, {"bytes=+1-2", "", ""}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, ranges, ifRange, ifNoneMatch string) {
		r := httptest.NewRequest("GET", "/static/a.txt", nil)
		for name, value := range map[string]string{"Range": ranges, "If-Range": ifRange, "If-None-Match": ifNoneMatch} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		files.ServeHTTP(w, r)
		switch n := w.Body.Len(); w.Code {
		case 200:
			if w.Body.String() != "0123456789" {
				t.Errorf("whole: %q", w.Body)
			}
		case 206:
			if kind := w.Header().Get("Content-Type"); strings.HasPrefix(kind, "multipart/byteranges") {
				if n > 10+16*300 {
					t.Errorf("%d bytes in parts", n)
				}
				return
			}
			if from := w.Header().Get("Content-Range"); n == 0 || n > 10 || !strings.HasPrefix(from, "bytes ") {
				t.Errorf("%d bytes of %q", n, from)
			}
		case 304:
			if n != 0 {
				t.Errorf("304 with %d bytes", n)
			}
		case 416:
			if w.Header().Get("Content-Range") != "bytes */10" {
				t.Errorf("416 with %v", w.Header())
			}
		default:
			t.Errorf("status %d", w.Code)
		}
	})
}
