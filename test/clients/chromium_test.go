package clients

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/test/served"
)

// seenByBrowser is what page.html sends.
type seenByBrowser struct {
	Failed  string
	Fetched struct {
		Seen struct {
			Method, Proto, ALPN string
			Length              int
		}
		Many      bool
		Streamed  int
		Part      string
		Left      string
		Protocols []string
	}
	Deflated, Plain talked
	Heard           struct {
		Events []string
		Opened int
	}
}

type talked struct {
	Text, Binary, Code int
	Clean              bool
	Extension          string
}

func TestChromium(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium")
	}
	for _, mode := range []served.Mode{served.Clear, served.TLS} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := served.Start(t, mode)
			seen := visit(t, browser, url(s, "/page"))
			var want seenByBrowser
			f := &want.Fetched
			f.Seen.Method, f.Seen.Proto, f.Seen.Length, f.Protocols = "POST", "HTTP/1.1", 100000, []string{"http/1.1"}
			if mode == served.TLS {
				f.Seen.Proto, f.Seen.ALPN, f.Protocols = "HTTP/2.0", "h2", []string{"h2"}
			}
			f.Many, f.Streamed, f.Part, f.Left = true, 20<<10, "206 0123456789abcdef", "AbortError"
			want.Plain = talked{Text: 3, Binary: 3, Code: 4000, Clean: true}
			want.Deflated = want.Plain
			want.Deflated.Extension = "permessage-deflate"
			want.Heard.Events = []string{"1 event 1", "2 event 2", "3 event 3", "4 event 4", "5 event 5", "6 event 6", "7 event 7"}
			want.Heard.Opened = 3
			if !reflect.DeepEqual(seen, want) {
				t.Errorf("the browser has seen\n%+v, want\n%+v", seen, want)
			}
		})
	}
}

// visit opens the page and waits for what it has seen.
func visit(t *testing.T, browser, page string) seenByBrowser {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	reports := make(chan []byte, 1)
	desk := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body) // a broken report does not parse
		select {
		case reports <- b:
		default:
		}
	}))
	defer desk.Close()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--ignore-certificate-errors", "--remote-debugging-port=0", "--user-data-dir="+t.TempDir(), page+"#"+desk.URL)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	defer func() { cancel(); <-exited }()
	var seen seenByBrowser
	select {
	case b := <-reports:
		if err := json.Unmarshal(b, &seen); err != nil || seen.Failed != "" {
			t.Fatalf("the page reports %s (%v)", b, err)
		}
	case <-exited:
		t.Fatalf("%s ended: %s", browser, tail(said.String()))
	case <-ctx.Done():
		t.Fatalf("the page reports nothing: %v", ctx.Err())
	}
	return seen
}
