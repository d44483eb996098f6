package static_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tandem-go/tandem/static"
	"github.com/tandem-go/tandem/view"
)

// large is more than the buffers of a connection can hold, so that its sending waits for
// its reader.
const large = 64 << 20

// lines keeps what is logged.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
	at chan struct{} // gets one for each line
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.at <- struct{}{} }()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start serves a directory with one large file over the protocol.
func start(t *testing.T, proto string) (srv *httptest.Server, file string, log *lines) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "large.bin")
	put(t, file, "begin", longAgo)
	if err := os.Truncate(file, large); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
	log = &lines{at: make(chan struct{}, 16)}
	app := view.New(view.Logger(slog.New(slog.NewTextHandler(log, nil))))
	app.Routes(open(t, dir, static.Options{}).Route())
	app.Settle()
	<-log.at // the routes
	srv = httptest.NewUnstartedServer(app)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	if proto == "HTTP/2.0" {
		srv.EnableHTTP2 = true
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return srv, file, log
}

func get(t *testing.T, srv *httptest.Server, target string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestAFileThatIsCutWhileItIsSentIsAnAnswerThatBreaksOff(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, ranges := range []string{"", "bytes=0-50000000", "bytes=0-40000000,40000002-60000000"} {
			t.Run(proto+" "+ranges, func(t *testing.T) {
				srv, file, log := start(t, proto)
				resp := get(t, srv, "/static/large.bin", "Range", ranges)
				if resp.Proto != proto {
					t.Fatal(resp.Proto)
				}
				begin := make([]byte, 5)
				if _, err := io.ReadFull(resp.Body, begin); err != nil {
					t.Fatal(err)
				}
				if err := os.Truncate(file, 32<<20); err != nil {
					t.Fatal(err)
				}
				n, err := io.Copy(io.Discard, resp.Body)
				if err == nil || n > 32<<20+1000 {
					t.Errorf("%d bytes and %v: it looks whole", n, err)
				}
				<-log.at
				if said := log.String(); !strings.Contains(said, "it was cut while it was sent") || !strings.Contains(said, "level=ERROR") {
					t.Errorf("said: %s", said)
				}
			})
		}
	}
}

func TestAFileThatGrowsWhileItIsSentIsSentAsItWasAnnounced(t *testing.T) {
	srv, file, _ := start(t, "HTTP/1.1")
	resp := get(t, srv, "/static/large.bin")
	if err := os.Truncate(file, 2*large); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != large || err != nil || resp.ContentLength != large {
		t.Errorf("%d bytes of %d, %v", n, resp.ContentLength, err)
	}
}

// A client that goes away is none of the server's errors.
func TestAClientThatHangsUpIsSaidToHaveGone(t *testing.T) {
	srv, _, log := start(t, "HTTP/1.1")
	_ = get(t, srv, "/static/large.bin").Body.Close()
	<-log.at
	if said := log.String(); strings.Contains(said, "level=ERROR") || !strings.Contains(said, "status=499") {
		t.Errorf("said: %s", said)
	}
}

// watched is a listener whose connections say what they are given to send.
type watched struct {
	net.Listener
	files *atomic.Int64 // bytes that were given as a file
}

func (l watched) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return watchedConn{c.(*net.TCPConn), l.files}, nil
}

type watchedConn struct {
	*net.TCPConn
	files *atomic.Int64
}

func (c watchedConn) ReadFrom(r io.Reader) (int64, error) {
	lr, ok := r.(*io.LimitedReader)
	if ok {
		_, ok = lr.R.(*os.File)
	}
	n, err := c.TCPConn.ReadFrom(r)
	if ok {
		c.files.Add(n)
	}
	return n, err
}

func TestALargeFileReachesTheConnectionAsAFile(t *testing.T) {
	dir := disk(t, map[string]string{"a.bin": strings.Repeat("x", 1<<20)})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	live, fixed := open(t, dir, static.Options{}), hashed(t, root.FS(), static.Options{})
	for name, h := range map[string]http.Handler{"Dir": served(live), "FS": served(fixed), "without view": live} {
		var files atomic.Int64
		srv := httptest.NewUnstartedServer(h)
		srv.Listener = watched{srv.Listener, &files}
		srv.Start()
		n, err := io.Copy(io.Discard, get(t, srv, "/static/a.bin").Body)
		srv.Close()
		// net/http sends the first 512 bytes with the header.
		if n != 1<<20 || err != nil || files.Load() != 1<<20-512 {
			t.Errorf("%s: %d bytes, %v; %d of them as a file", name, n, err, files.Load())
		}
	}
}

func TestCurlUnderstandsWhatIsSent(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here")
	}
	srv := httptest.NewTLSServer(served(hashed(t, memory(content(t)), static.Options{})))
	defer srv.Close()
	srv.TLS.MinVersion = tls.VersionTLS12
	tag := get(t, srv, "/static/plain.txt").Header.Get("Etag")
	for _, test := range []struct {
		want string
		args []string
	}{
		{text, []string{"--compressed", "-H", "Accept-Encoding: gzip", "/static/app.css"}},
		{text, []string{"/static/app.css"}},
		{"234", []string{"-r", "2-4", "/static/plain.txt"}},
		{"789", []string{"-r", "-3", "/static/plain.txt"}},
		{"56789", []string{"-C", "5", "/static/plain.txt"}},
		{"", []string{"-z", "2 May 2024", "/static/plain.txt"}},
		{"", []string{"-H", "If-None-Match: " + tag, "/static/plain.txt"}},
		{"200 10", []string{"-I", "-o", os.DevNull, "-w", "%{http_code} %header{content-length}", "/static/plain.txt"}},
		{"416", []string{"-o", os.DevNull, "-w", "%{http_code}", "-r", "99-", "/static/plain.txt"}},
	} {
		args := append([]string{"-sk", "--max-time", "20"}, test.args...)
		args[len(args)-1] = srv.URL + args[len(args)-1]
		out, err := exec.CommandContext(t.Context(), curl, args...).Output()
		if err != nil || string(out) != test.want {
			t.Errorf("curl %q: %v, %.100q; want %.100q", args, err, out, test.want)
		}
	}
}

// writer fails after some bytes.
type writer struct {
	*httptest.ResponseRecorder
	left int
}

var errGone = errors.New("gone")

func (w *writer) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errGone
	}
	return w.ResponseRecorder.Write(b)
}

func TestThePlainHandlerCutsWhatItCannotSend(t *testing.T) {
	f := hashed(t, memory(content(t)), static.Options{})
	was := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	defer slog.SetDefault(was)
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v", v)
		}
	}()
	f.ServeHTTP(&writer{httptest.NewRecorder(), 10}, httptest.NewRequest("GET", "/static/app.css", nil))
	t.Error("it looks whole")
}

func BenchmarkFiles(b *testing.B) {
	dir := disk(b, map[string]string{"4KiB.bin": strings.Repeat("x", 4<<10), "1MiB.bin": strings.Repeat("x", 1<<20)})
	root, err := os.OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	plain := http.StripPrefix("/static", http.FileServerFS(root.FS()))
	for _, name := range []string{"4KiB.bin", "1MiB.bin"} {
		for _, c := range []struct {
			name string
			h    http.Handler
		}{
			{"FileServerFS", plain},
			{"Dir", open(b, dir, static.Options{})},
			{"FS", hashed(b, root.FS(), static.Options{})},
			{"app with Dir", served(open(b, dir, static.Options{}))},
			{"app with FS", served(hashed(b, root.FS(), static.Options{}))},
		} {
			b.Run(fmt.Sprintf("%s/%s", name, c.name), func(b *testing.B) {
				srv := httptest.NewServer(c.h)
				defer srv.Close()
				buf := make([]byte, 64<<10)
				for b.Loop() {
					resp, err := srv.Client().Get(srv.URL + "/static/" + name)
					if err != nil {
						b.Fatal(err)
					}
					n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, buf)
					_ = resp.Body.Close()
					b.SetBytes(n)
					if err != nil || resp.StatusCode != 200 {
						b.Fatal(resp.Status, err)
					}
				}
			})
		}
	}
}
