package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/test/served"
)

// arguments are those that every call of curl needs.
func arguments(s *served.Server, version string) []string {
	always := []string{version, "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "60"}
	switch s.Mode {
	case served.TLS:
		always = append(always, "--cacert", s.Cert)
		if version == "--http1.0" {
			always = append(always, "--no-alpn") // it would offer http/1.0, which is no protocol of the server's
		}
	case served.Unix:
		always = append(always, "--unix-socket", s.Addr)
	}
	return always
}

// priorKnowledge is HTTP/2 in clear. Debian 12's curl, 7.88, fails at the second request of such
// a connection, whoever serves: it goes by the version that it would have negotiated.
const priorKnowledge = "--http2-prior-knowledge"

func TestCurl(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		missing(t, "curl")
	}
	for _, mode := range []served.Mode{served.Clear, served.TLS, served.Unix} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := served.Start(t, mode)
			second := priorKnowledge
			if mode == served.TLS {
				second = "--http2"
			}
			for _, version := range []string{"--http1.0", "--http1.1", second} {
				t.Run(version, func(t *testing.T) { curlAsks(t, s, version) })
			}
			for _, version := range []string{"--http1.1", second} {
				if version != priorKnowledge {
					t.Run("replaced"+version, func(t *testing.T) { curlOverAReplacement(t, served.Start(t, mode), version) })
				}
			}
		})
	}
}

func curlAsks(t *testing.T, s *served.Server, version string) {
	body := strings.Repeat("0123456789abcdef", 1<<17) // 2 MiB: curl asks with Expect first
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	curl := func(args ...string) string { return run(t, "curl", append(arguments(s, version), args...)...) }
	want := map[string]string{"--http1.0": "1", "--http1.1": "1.1"}[version]
	if want == "" {
		want = "2"
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"the version", []string{"--output", os.DevNull, "--write-out", "%{http_version} %{http_code}", url(s, "/seen")}, want + " 200"},
		{"a body with a length", []string{"--data-binary", "@" + file, url(s, "/echo")}, body},
		{"100-continue", []string{"--header", "Expect: 100-continue", "--data-binary", "@" + file, url(s, "/echo")}, body},
		{"a range", []string{"--range", "16-31", "--write-out", " %{http_code}", url(s, "/bytes/1000")}, "0123456789abcdef 206"},
		{"a stream", []string{"--no-buffer", url(s, "/stream/3")}, strings.Repeat("a", 1<<10) + strings.Repeat("b", 1<<10) + strings.Repeat("c", 1<<10)},
		{"events", []string{"--no-buffer", url(s, "/events?n=2")}, "id: 1\ndata: event 1\n\nid: 2\ndata: event 2\n\n"},
		{"HEAD", []string{"--head", "--output", os.DevNull, "--write-out", "%{http_code} %header{content-length}", url(s, "/bytes/77")}, "200 77"},
	} {
		if got := curl(c.args...); got != c.want {
			t.Errorf("%s: %d bytes, %.200q, want %d bytes, %.200q", c.name, len(got), got, len(c.want), c.want)
		}
	}
	if version == "--http1.0" {
		return
	}
	if version != priorKnowledge {
		got := curl("--output", os.DevNull, "--output", os.DevNull, "--write-out", "%{num_connects} ", url(s, "/bytes/1"), url(s, "/bytes/2"))
		if got != "1 0 " {
			t.Errorf("connections for the first and the second request: %q", got)
		}
	}
	if got := curl("--header", "Content-Length:", "--header", "Transfer-Encoding:"+map[bool]string{true: " chunked"}[version == "--http1.1"], "--data-binary", "@"+file, url(s, "/echo")); got != body {
		t.Errorf("a body without a length came back as %d bytes", len(got))
	}
	if got := curl("--include", url(s, "/hints")); !strings.Contains(got, " 103 ") && !strings.Contains(got, " 103\r") {
		t.Errorf("no 103 in %q", got)
	}
}

// curlOverAReplacement asks some hundred times on kept connections while one worker takes
// the place of another.
func curlOverAReplacement(t *testing.T, s *served.Server, version string) {
	begun, answered := make(chan struct{}), make(chan string, 1)
	go func() {
		close(begun)
		out, err := try(t.Context(), "curl", append(arguments(s, version), "--output", os.DevNull, "--write-out", "%{http_code}\n", url(s, "/bytes/[1-400]"))...)
		if err != nil {
			t.Error(err)
		}
		answered <- out
	}()
	<-begun
	ended := s.Replace(t)
	got := <-answered
	ended()
	if n := strings.Count(got, "200\n"); n != 400 || len(got) != 4*400 {
		t.Errorf("%d of 400 answers had status 200: %.200q", n, got)
	}
}
