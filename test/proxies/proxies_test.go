package proxies

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// HTTP with the application: over TCP, a unix socket, and HTTP/2.
func TestProxiesThatSpeakHTTP(t *testing.T) {
	for name, proxy := range map[string]struct {
		needs func(t *testing.T)
		start func(t *testing.T, addr, socket string) front
		proto string // between the two
	}{
		"nginx":        {needsNginx, func(t *testing.T, addr, _ string) front { return nginx(t, addr) }, "HTTP/1.1"},
		"nginx-unix":   {needsNginx, func(t *testing.T, _, socket string) front { return nginx(t, "unix:"+socket) }, "HTTP/1.1"},
		"HAProxy":      {needsHAProxy, func(t *testing.T, addr, _ string) front { return haproxy(t, addr+" check") }, "HTTP/1.1"},
		"HAProxy-unix": {needsHAProxy, func(t *testing.T, _, socket string) front { return haproxy(t, socket+" check") }, "HTTP/1.1"},
		"HAProxy-h2c":  {needsHAProxy, func(t *testing.T, addr, _ string) front { return haproxy(t, addr+" check proto h2 ws h1") }, "HTTP/2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			proxy.needs(t)
			ctx := harness.Within(t)
			s, socket := app(ctx, t, "APP_TRUSTED_PROXIES="+proxyIP)
			f := proxy.start(t, s.Addr, socket)
			f.up(ctx, t)
			known(ctx, t, s, f, proxy.proto)
			webSocket(ctx, t, f.plain)
			events(ctx, t, f.plain)
			reloads(ctx, t, s, f.plain)
		})
	}
}

// Connections as they are, with a PROXY header before them. Their client is no
// proxy, though the one in between is trusted.
func TestProxiesThatTellThePROXYProtocol(t *testing.T) {
	for name, proxy := range map[string]struct {
		needs func(t *testing.T)
		start func(t *testing.T, addr string) front
	}{
		"nginx":   {needsNginx, nginxStream},
		"HAProxy": {needsHAProxy, haproxyTCP},
	} {
		t.Run(name, func(t *testing.T) {
			proxy.needs(t)
			ctx := harness.Within(t)
			s, _ := app(ctx, t, "APP_PROXY_PROTOCOL="+proxyIP, "APP_TRUSTED_PROXIES="+proxyIP)
			f := proxy.start(t, s.Addr)
			f.up(ctx, t)
			got := echo(ctx, t, "http://"+f.plain, forged)
			if got.Client != clientIP || got.Scheme != "http" || got.Host != f.plain || len(got.Headers["X-Forwarded-For"]) > 0 {
				t.Errorf("the application saw %+v", got)
			}
			logged(ctx, t, s, "http", f.plain, "")
			webSocket(ctx, t, f.plain)
			events(ctx, t, f.plain)
			reloads(ctx, t, s, f.plain)
		})
	}
}

// HAProxy passes TLS on that ends in the application, whose health it asks over TLS too.
func TestTLSEndsBehindHAProxy(t *testing.T) {
	needsHAProxy(t)
	ctx := harness.Within(t)
	cert, key, _ := site(t)
	s, _ := app(ctx, t, "APP_PROXY_PROTOCOL="+proxyIP, "APP_TLS_CERT="+cert, "APP_TLS_KEY="+key)
	f := haproxyTLS(t, s.Addr)
	f.upAt(ctx, t, "https://"+f.plain)
	if got := echo(ctx, t, "https://"+f.plain, forged); got.Client != clientIP || got.Scheme != "https" || got.Host != f.plain {
		t.Errorf("the application saw %+v", got)
	}
}

// browser is a client with an address of its own that believes any certificate.
func browser() *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientIP)}}
	return &http.Client{Transport: &http.Transport{
		DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}}
}

// up waits until a proxy answers for the application.
func (f front) up(ctx context.Context, t *testing.T) {
	t.Helper()
	f.upAt(ctx, t, "http://"+f.plain)
}

func (f front) upAt(ctx context.Context, t *testing.T, site string) {
	t.Helper()
	client := browser()
	err := harness.Poll(ctx, "an answer through the proxy", func() bool {
		select {
		case <-f.ended:
			t.Fatal("the proxy ended")
		default:
		}
		resp, err := client.Get(site + "/healthz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	if err != nil {
		t.Fatal(err)
	}
}

// echoed is what the application says of a request.
type echoed struct {
	Client, Scheme, Host, Protocol string
	Headers                        map[string][]string
}

// forged is what a client sends who would be somebody else.
var forged = http.Header{
	"X-Forwarded-For": {"203.0.113.9", "127.0.0.1"}, "X-Forwarded-Proto": {"gopher"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Port": {"1"},
	"Forwarded": {"for=203.0.113.9;host=evil.example;proto=https"}, "X-Real-Ip": {"203.0.113.9"},
}

func echo(ctx context.Context, t *testing.T, site string, header http.Header) echoed {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, site+"/echo/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	resp, err := browser().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got echoed
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v", site, resp.Status, err)
	}
	return got
}

// known: views and the log know the client, whatever it says of itself.
func known(ctx context.Context, t *testing.T, s *harness.Supervisor, f front, proto string) {
	t.Helper()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for scheme, addr := range map[string]string{"http": f.plain, "https": f.secure} {
		header := forged.Clone()
		header.Set("X-Request-Id", scheme+"-by-the-client")
		header.Set("Traceparent", trace)
		got := echo(ctx, t, scheme+"://"+addr, header)
		if got.Client != clientIP || got.Scheme != scheme || got.Host != addr || got.Protocol != proto {
			t.Errorf("over %s the application saw %s of %s://%s in %s", scheme, got.Client, got.Scheme, got.Host, got.Protocol)
		}
		for name, want := range map[string][]string{
			"X-Forwarded-For": {clientIP}, "X-Forwarded-Proto": {scheme}, "X-Forwarded-Host": {addr}, "Traceparent": {trace},
			"X-Forwarded-Port": nil, "Forwarded": nil, "X-Real-Ip": nil,
		} {
			if !slices.Equal(got.Headers[name], want) {
				t.Errorf("over %s the application saw %s: %q", scheme, name, got.Headers[name])
			}
		}
		logged(ctx, t, s, scheme, addr, scheme+"-by-the-client")
	}
	if id := echo(ctx, t, "http://"+f.plain, http.Header{}).Headers["X-Request-Id"]; len(id) != 1 || len(id[0]) < 32 {
		t.Errorf("the proxy's request id is %q", id)
	}
}

// logged finds the access log's line of a request to /echo/.
func logged(ctx context.Context, t *testing.T, s *harness.Supervisor, scheme, host, id string) {
	t.Helper()
	text, err := s.Stdout.Await(ctx, "the access log's line", func(line string) bool {
		return strings.Contains(line, `"target":"/echo/"`) && strings.Contains(line, `"host":"`+host+`"`)
	})
	if err != nil {
		t.Fatal(err)
	}
	var line struct {
		Client, Scheme string
		ID             string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil || line.Client != clientIP || line.Scheme != scheme || id != "" && line.ID != id {
		t.Errorf("logged %s (%v)", text, err)
	}
}

func webSocket(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	// A browser's, which says from where its page is.
	conn, _, err := websocket.Dial(ctx, "ws://"+addr+"/ws/echo/", &websocket.DialOptions{
		HTTPClient: browser(), HTTPHeader: http.Header{"Origin": {"http://" + addr}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for i := range 3 {
		want := fmt.Sprint("message ", i)
		if err := conn.Write(ctx, websocket.MessageText, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(ctx); err != nil || string(got) != want {
			t.Fatalf("%q came back as %q, %v", want, got, err)
		}
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

// events come one by one: they are here while the stream goes on.
func events(ctx context.Context, t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/events/", nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	resp, err := browser().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	seen, lines := 0, bufio.NewReader(resp.Body)
	for seen < 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended after %d events: %v", seen, err)
		}
		if strings.HasPrefix(line, "data:") {
			seen++
		}
	}
	// A proxy that gathers has its buffer of 4 KiB full after a minute of them.
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("%d events took %v", seen, took)
	}
	if _, err := io.ReadFull(lines, make([]byte, 1)); err != nil {
		t.Errorf("the stream ended: %v", err)
	}
}

// reloads twice under strict clients: not a request is lost behind the proxy.
func reloads(ctx context.Context, t *testing.T, s *harness.Supervisor, addr string) {
	t.Helper()
	run := strict.Start(ctx, strict.Load{
		Addr: addr, Duration: harness.Limit, Timeout: 20 * time.Second,
		Groups: []strict.Group{
			{Mode: strict.Short, Clients: 3, Target: "/echo/", Check: strict.EchoJSON, ThinkMax: 10 * time.Millisecond},
			{Mode: strict.Short, Clients: 2, Target: "/echo/", Body: 3000, Check: strict.EchoJSON, ThinkMax: 10 * time.Millisecond},
			{Mode: strict.Kept, Clients: 4, Target: "/echo/", Check: strict.EchoJSON, ThinkMax: 50 * time.Millisecond},
			{Mode: strict.Kept, Clients: 2, Target: "/echo/", Body: 3000, Check: strict.EchoJSON, ThinkMax: 50 * time.Millisecond},
		},
	})
	if err := run.Answered(ctx, 100); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if res, err := s.Run(ctx, "reload", "--wait"); err != nil || res.Code != 0 {
			t.Fatalf("reload: exit %d, %v\n%s", res.Code, err, res.Stderr)
		}
		if err := run.Answered(ctx, 100); err != nil {
			t.Fatal(err)
		}
	}
	report := run.Stop()
	t.Logf("two reloads: %v", report.Counts)
	if err := report.Err(); err != nil {
		t.Error(err)
	}
}
