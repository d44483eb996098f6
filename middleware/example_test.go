package middleware_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"regexp"
	"time"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

func hello(context.Context, *view.Request) (view.Response, error) { return view.Text("hello"), nil }

func Example() {
	careful, err := middleware.SecurityHeaders(middleware.Security{})
	if err != nil {
		log.Fatal(err)
	}
	app := view.New()
	app.Use(middleware.RequestID(), middleware.Timing(), careful)
	app.Routes(view.Path("GET /", hello))

	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-Id", "abc")
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println(w.Body, w.Header().Get("X-Request-Id"), w.Header().Get("X-Frame-Options"))
	for _, layer := range app.Plan()[0].Layers {
		fmt.Println(layer)
	}
	// Output:
	// hello abc DENY
	// requestID (async)
	// timing (async)
	// securityHeaders (async)
}

// dateless writes lines without their dates.
type dateless struct{}

func (dateless) Write(b []byte) (int, error) {
	_, err := os.Stdout.Write(regexp.MustCompile(`\[[^]]*]`).ReplaceAll(b, []byte("[…]")))
	return len(b), err
}

func ExampleAccessLog() {
	app := view.New(middleware.AccessLog(dateless{}, middleware.Log{Format: middleware.Combined}))
	app.Routes(view.Path("GET /", hello))
	r := httptest.NewRequest("GET", "/?q=1", nil)
	r.Header.Set("User-Agent", `a "forged" line`)
	app.ServeHTTP(httptest.NewRecorder(), r)
	// Output: 192.0.2.1 - - […] "GET /?q=1 HTTP/1.1" 200 5 "-" "a \x22forged\x22 line"
}

func ExampleCORS() {
	_, err := middleware.CORS(middleware.Sharing{Origins: []string{"*"}, Credentials: true})
	fmt.Println(err)

	share, err := middleware.CORS(middleware.Sharing{Origins: []string{"https://app.example.com"}, Credentials: true})
	if err != nil {
		log.Fatal(err)
	}
	app := view.New()
	app.Use(share)
	app.Routes(view.Path("PUT /", hello))
	r := httptest.NewRequest("OPTIONS", "/", nil) // the preflight reaches no view
	r.Header.Set("Origin", "https://app.example.com")
	r.Header.Set("Access-Control-Request-Method", "GET")
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Access-Control-Allow-Origin"))
	// Output:
	// cors: the origin "*" with Credentials would let every site read what its visitors may; name the origins
	// 204 https://app.example.com
}

func ExampleCSRF() {
	guard, err := middleware.CSRF(middleware.CrossOrigin{Trusted: []string{"https://app.example.com"}})
	if err != nil {
		log.Fatal(err)
	}
	app := view.New()
	app.Use(guard)
	app.Routes(view.Path("POST /", hello))
	for _, site := range []string{"", "same-origin", "cross-site"} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Printf("%q %d\n", site, w.Code)
	}
	// Output:
	// "" 200
	// "same-origin" 200
	// "cross-site" 403
}

func ExampleCompress() {
	compress, err := middleware.Compress(middleware.Compression{})
	if err != nil {
		log.Fatal(err)
	}
	app := view.New()
	app.Use(compress)
	app.Routes(view.Path("GET /", func(context.Context, *view.Request) (view.Response, error) {
		return view.Text(fmt.Sprintf("%2000d", 0)), nil
	}))
	for _, accept := range []string{"", "gzip", "gzip, zstd"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Printf("%q %q %v\n", accept, w.Header().Get("Content-Encoding"), w.Body.Len() < 100)
	}
	// Output:
	// "" "" false
	// "gzip" "gzip" true
	// "gzip, zstd" "zstd" true
}

// Ten requests an hour for each client, two of them at once; who asks whether the
// worker is well is not counted.
func ExampleRateLimit() {
	limit, err := middleware.RateLimit(middleware.Rate{
		Requests: 10, Per: time.Hour, Burst: 2,
		Exempt: func(r *view.Request) bool { return r.Pattern() == "GET /healthz" },
	})
	if err != nil {
		log.Fatal(err)
	}
	app := view.New()
	app.Use(limit)
	app.Routes(view.Path("GET /", hello), view.Path("GET /healthz", hello))

	for _, path := range []string{"/", "/", "/", "/healthz"} {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(path, w.Code, w.Header().Get("RateLimit-Policy"))
	}
	// Output:
	// / 200 "default";q=2;w=720
	// / 200 "default";q=2;w=720
	// / 429 "default";q=2;w=720
	// /healthz 200
}

func ExampleDecompress() {
	decompress, err := middleware.Decompress(middleware.Decompression{})
	if err != nil {
		log.Fatal(err)
	}
	app := view.New()
	app.Use(decompress)
	app.Routes(view.Path("POST /", func(_ context.Context, r *view.Request) (view.Response, error) {
		words, err := view.Decode[[]string](r)
		return view.JSON(words), err
	}))
	var coded bytes.Buffer
	z := gzip.NewWriter(&coded)
	fmt.Fprint(z, `["all","work"]`)
	z.Close()
	for _, encoding := range []string{"gzip", "br"} {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(coded.Bytes()))
		r.Header.Set("Content-Encoding", encoding)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Accept-Encoding"))
	}
	// Output:
	// 200 ""
	// 415 "zstd, gzip, deflate"
}
