package worker_test

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/worker"
)

// seen answers with what a handler sees of its client.
func seen(w http.ResponseWriter, r *http.Request) {
	scheme := w.(interface{ Scheme() string }).Scheme()
	host, _, _ := strings.Cut(r.RemoteAddr, "]")
	if !strings.HasPrefix(r.RemoteAddr, "[") {
		host, _, _ = strings.Cut(r.RemoteAddr, ":")
	}
	fmt.Fprintf(w, "%q://%s for %s, left %q %q", scheme, r.Host, host, r.Header["X-Forwarded-For"], r.Header["Forwarded"])
}

var (
	loopback  = netip.MustParsePrefix("127.0.0.0/8")
	elsewhere = netip.MustParsePrefix("10.0.0.0/8")
)

func TestTrustedProxiesSayForWhomTheyAsk(t *testing.T) {
	const told = "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: www.example.com\r\n"
	for name, tc := range map[string]struct {
		options []worker.Option
		begin   string // of the connection
		header  string
		status  int
		want    string
	}{
		"without the option": {nil, "", told, 200, `""://test for 127.0.0.1, left ["203.0.113.9, 192.0.2.1"] []`},
		"a trusted one":      {[]worker.Option{worker.TrustedProxies(loopback)}, "", told, 200, `"https"://www.example.com for 192.0.2.1, left ["192.0.2.1"] []`},
		"Forwarded": {
			[]worker.Option{worker.TrustedProxies(loopback)},
			"", "Forwarded: for=203.0.113.9, for=\"[2001:db8::1]:80\"\r\n", 200,
			`"http"://test for [2001:db8::1, left [] ["for=\"[2001:db8::1]:80\""]`,
		},
		"anybody else": {
			[]worker.Option{worker.TrustedProxies(elsewhere)},
			"", told + "Forwarded: for=x\r\n", 200,
			`""://test for 127.0.0.1, left [] []`,
		},
		"a contradiction": {
			[]worker.Option{worker.TrustedProxies(loopback)},
			"", told + "Forwarded: for=192.0.2.1\r\n", 400,
			"the headers Forwarded and X-Forwarded-* contradict each other; a proxy that writes one kind must remove the other\n",
		},
		"a client told before": { // which the PROXY protocol's network says nothing of
			[]worker.Option{worker.ProxyProtocol(loopback), worker.TrustedProxies(loopback)},
			"PROXY TCP4 198.51.100.7 192.0.2.2 4711 80\r\n", told, 200, `""://test for 198.51.100.7, left [] []`,
		},
		"a proxy told before": {
			[]worker.Option{worker.ProxyProtocol(loopback), worker.TrustedProxies(elsewhere)},
			"PROXY TCP4 10.1.2.3 192.0.2.2 4711 80\r\n", told, 200, `"https"://www.example.com for 192.0.2.1, left ["192.0.2.1"] []`,
		},
		"nobody told before": {
			[]worker.Option{worker.ProxyProtocol(loopback), worker.TrustedProxies(loopback)},
			"PROXY UNKNOWN\r\n", told, 200, `""://test for 127.0.0.1, left [] []`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, drain := alone(t, http.HandlerFunc(seen), tc.options...)
			c := dial(t, addr)
			for range 2 { // the connection's second request is told anew
				if _, err := io.WriteString(c, tc.begin+"GET / HTTP/1.1\r\nHost: test\r\n"+tc.header+"\r\n"); err != nil {
					t.Fatal(err)
				}
				tc.begin = ""
				if status, got, _, err := c.receive(); err != nil || status != tc.status || got != tc.want {
					t.Errorf("answered %d %s, %v\nwant %s", status, got, err, tc.want)
				}
			}
			_ = c.Close()
			if err := drain(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A proxy that speaks TLS with the worker says what its own client speaks.
func TestATrustedProxyOverTLS(t *testing.T) {
	addr, drain := alone(t, http.HandlerFunc(seen), withTLS(), worker.TrustedProxies(loopback))
	c := dialTLS(t, addr)
	for header, want := range map[string]string{
		"X-Forwarded-Proto: http\r\n":    `"http"://test for 127.0.0.1, left [] []`,
		"X-Forwarded-For: 192.0.2.1\r\n": `"https"://test for 192.0.2.1, left ["192.0.2.1"] []`,
	} {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: test\r\n"+header+"\r\n"); err != nil {
			t.Fatal(err)
		}
		if got, _ := c.answered(t); got != want {
			t.Errorf("answered %s\nwant %s", got, want)
		}
	}
	_ = c.Close()
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// The PROXY header comes before the TLS handshake.
func TestTLSBehindThePROXYProtocol(t *testing.T) {
	addr, drain := alone(t, http.HandlerFunc(seen), withTLS(), worker.ProxyProtocol(loopback))
	inner := dial(t, addr)
	if _, err := io.WriteString(inner, "PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n"); err != nil {
		t.Fatal(err)
	}
	outer := tls.Client(inner.Conn, &tls.Config{InsecureSkipVerify: true})
	c := &client{Conn: outer, r: bufio.NewReader(outer)}
	if got, _ := c.must(t, "/", ""); got != `""://test for [2001:db8::1, left [] []` {
		t.Errorf("answered %s", got)
	}
	_ = c.Close()
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// Who is believed is believed by the sibling too that a connection goes to, and who
// is not is not.
func TestTrustTravels(t *testing.T) {
	const header = "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n"
	for name, tc := range map[string]struct {
		listen func(t *testing.T) (fd int, addr string)
		begin  string // of the connection
		env    []string
		want   string // "": the peer's own address
	}{
		// They have no address, and who may connect is the socket's mode.
		"a peer on a unix socket": {listenUnix, "", []string{"TRUSTED=10.0.0.0/8"}, "192.0.2.1:0"},
		"a proxy":                 {listen, "", []string{"TRUSTED=127.0.0.0/8"}, "192.0.2.1:0"},
		"nobody told before":      {listen, "PROXY UNKNOWN\r\n", []string{"TRUSTED=127.0.0.0/8", "PROXY=127.0.0.0/8"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKin(t)
			fd, addr := tc.listen(t)
			old := startAmong(t, k, fd, tc.env...)
			c := dial(t, addr)
			ask := func(p *proc, begin string, before int) {
				t.Helper()
				if _, err := io.WriteString(c, begin+"GET /past HTTP/1.1\r\nHost: test\r\n"+header+"\r\n"); err != nil {
					t.Fatal(err)
				}
				if answer, _ := c.answered(t); answer != fmt.Sprintf("%s %d %s", p.pid(), before, cmp.Or(tc.want, c.LocalAddr().String())) {
					t.Errorf("answered %q", answer)
				}
			}
			ask(old, tc.begin, 0)
			fresh := startAmong(t, k, fd, tc.env...)
			old.signal(t, syscall.SIGTERM)
			old.code(t, 0)
			ask(fresh, "", 1)
		})
	}
}
