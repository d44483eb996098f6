package worker_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/certs/certtest"
	"github.com/tandem-go/tandem/worker"
)

// heard gives the message of each record that is logged.
type heard struct {
	slog.Handler
	messages chan string
}

func newHeard() *heard { return &heard{slog.DiscardHandler, make(chan string, 100)} }

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }

func (h *heard) Handle(_ context.Context, r slog.Record) error {
	h.messages <- r.Message
	return nil
}

func (h *heard) until(message string) {
	for got := range h.messages {
		if got == message {
			return
		}
	}
}

// trusting is a client that trusts the authority and connects anew each time.
func trusting(t *testing.T, ca *certtest.Authority, show ...tls.Certificate) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: ca.Pool(), ServerName: "a.example", Certificates: show},
		DisableKeepAlives: true, ForceAttemptHTTP2: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestACertificateThatChangesUnderConnections(t *testing.T) {
	ca, dir := certtest.New(t, "authority of a test"), t.TempDir()
	first := ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
	cert, key := first.Write(t, dir)
	log := newHeard()
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }),
		worker.TLS(worker.Certificates{Pairs: []worker.CertificateFiles{{Cert: cert, Key: key}}}), worker.Logger(slog.New(log)))
	open := dialTLS(t, addr)
	ask := func() {
		t.Helper()
		if answer, closing := open.must(t, "/", ""); answer != "HTTP/1.1" || closing {
			t.Errorf("%q, closing: %v", answer, closing)
		}
	}
	serves := func(want *certtest.Issued) {
		t.Helper()
		resp, err := trusting(t, ca).Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if !resp.TLS.PeerCertificates[0].Equal(want.Cert) || resp.ProtoMajor != 2 {
			t.Errorf("served by %v in %s", resp.TLS.PeerCertificates[0].SerialNumber, resp.Proto)
		}
	}
	ask()
	serves(first)
	second := ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
	second.Write(t, dir)
	log.until("certificate replaced")
	serves(second)
	ask()
	certtest.Put(t, cert, []byte("no certificate"))
	log.until("a changed certificate is not taken in, the one from before is served on")
	serves(second)
	ask()
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// A view sees who the client is, in HTTP/1 and in HTTP/2.
func TestAViewSeesTheClientsCertificate(t *testing.T) {
	ca, dir := certtest.New(t, "authority of a test"), t.TempDir()
	cert, key := ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}}).Write(t, dir)
	cas := filepath.Join(dir, "cas.pem")
	certtest.Put(t, cas, ca.PEM())
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from %s", r.Proto, r.TLS.VerifiedChains[0][0].Subject.CommonName)
	}), worker.TLS(worker.Certificates{
		Pairs:    []worker.CertificateFiles{{Cert: cert, Key: key}},
		ClientCA: cas, ClientAuth: tls.RequireAndVerifyClientCert,
	}))
	who := ca.Issue(t, certtest.Leaf{Names: []string{"client-7"}}).TLS()
	for _, version := range []int{1, 2} {
		client := trusting(t, ca, who)
		client.Transport.(*http.Transport).ForceAttemptHTTP2 = version == 2
		resp, err := client.Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.HasPrefix(string(body), fmt.Sprintf("HTTP/%d.", version)) || !strings.HasSuffix(string(body), " from client-7") {
			t.Errorf("%q, %v", body, err)
		}
	}
	if resp, err := trusting(t, ca).Get("https://" + addr); err == nil {
		resp.Body.Close()
		t.Error("answered without a certificate:", resp.Status)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// What ConfigureServer says of TLS holds beside the files.
func TestTLSKeepsWhatTheServerIsConfiguredWith(t *testing.T) {
	ca := certtest.New(t, "authority of a test")
	cert, key := ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}}).Write(t, t.TempDir())
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }),
		worker.TLS(worker.Certificates{Pairs: []worker.CertificateFiles{{Cert: cert, Key: key}}, MinVersion: tls.VersionTLS13}),
		worker.ConfigureServer(func(s *http.Server) {
			s.Protocols = new(http.Protocols)
			s.Protocols.SetHTTP1(true)
			s.TLSConfig = &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}
		}))
	c := tls.Client(dial(t, addr).Conn, &tls.Config{RootCAs: ca.Pool(), ServerName: "a.example", NextProtos: []string{"h2", "http/1.1"}})
	client := &client{Conn: c, r: bufio.NewReader(c)}
	if answer, _ := client.must(t, "/", ""); answer != "HTTP/1.1" {
		t.Error(answer)
	}
	if state := c.ConnectionState(); state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "http/1.1" || state.CurveID != tls.CurveP384 {
		t.Errorf("%+v", state)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

func TestACertificateThatCannotBeServedWithIsRunsError(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "tls.key")
	if err := os.WriteFile(key, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "tls.crt")
	err := worker.Run(t.Context(), http.NotFoundHandler(), worker.TLS(worker.Certificates{Pairs: []worker.CertificateFiles{{Cert: missing, Key: key}}}))
	if want := "worker: TLS: certificate " + missing + ": no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
