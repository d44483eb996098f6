package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/certs/certtest"
	"github.com/tandem-go/tandem/test/harness"
)

// encrypted is a service over TLS, its authority and its files.
type encrypted struct {
	*harness.Supervisor
	ca        *certtest.Authority
	leaf      *certtest.Issued
	dir       string
	cert, key string
}

// overTLS is the configuration of one.
func overTLS(t testing.TB) (*encrypted, harness.Config) {
	t.Helper()
	e := &encrypted{ca: certtest.New(t, "authority of a test"), dir: t.TempDir()}
	e.leaf = e.ca.Issue(t, certtest.Leaf{Names: []string{"127.0.0.1"}})
	e.cert, e.key = e.leaf.Write(t, e.dir)
	return e, harness.Config{Env: []string{"APP_TLS_CERT=" + e.cert, "APP_TLS_KEY=" + e.key}}
}

// client remembers the ticket that it was given last.
func (e *encrypted) client(version uint16) *tls.Config {
	return &tls.Config{RootCAs: e.ca.Pool(), MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
}

// visitor is a connection that has asked once and stays open.
type visitor struct {
	*tls.Conn
	r      *bufio.Reader
	worker string
	took   time.Duration // to connect and shake hands
}

func (v *visitor) ask() error {
	if _, err := fmt.Fprint(v, "GET /echo/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(v.r, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var said struct{ Worker any }
	if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
		return err
	}
	v.worker = fmt.Sprint(said.Worker)
	return nil
}

// visit connects and asks which worker answers.
func (e *encrypted) visit(ctx context.Context, t testing.TB, client *tls.Config) *visitor {
	t.Helper()
	begin := time.Now()
	conn, err := (&tls.Dialer{NetDialer: new(net.Dialer), Config: client}).DialContext(ctx, "tcp", e.Addr)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{Conn: conn.(*tls.Conn), r: bufio.NewReader(conn), took: time.Since(begin)}
	t.Cleanup(func() { _ = v.Close() })
	if err := v.ask(); err != nil {
		t.Fatal(err)
	}
	return v
}

// resumes visits until every worker has answered; each visit must resume. The
// connections stay open, so that the workers share them.
func (e *encrypted) resumes(ctx context.Context, t *testing.T, client *tls.Config, workers []harness.Worker) {
	t.Helper()
	missing := map[string]bool{}
	for _, w := range workers {
		missing[fmt.Sprint(w.ID)] = true
	}
	var open []*visitor
	for n := 0; len(missing) > 0; n++ {
		if n == 200 {
			t.Fatalf("after %d visits the workers %v have not answered", n, missing)
		}
		v := e.visit(ctx, t, client)
		if !v.ConnectionState().DidResume {
			t.Errorf("%s: not resumed at worker %s, visit %d", tls.VersionName(v.ConnectionState().Version), v.worker, n)
		}
		delete(missing, v.worker)
		open = append(open, v)
	}
	for _, v := range open {
		_ = v.Close()
	}
}

// A ticket resumes at each of four workers, at those of another generation, at one
// that took the place of a killed one, and after an upgrade of the supervisor, also at
// workers that only the new program has started.
func TestASessionTicketResumesAtEveryWorker(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	e, config := overTLS(t)
	e.Supervisor, _ = replaceable(ctx, t, 4, filepath.Join(bin, "supervisor"), config)
	clients := []*tls.Config{e.client(tls.VersionTLS12), e.client(tls.VersionTLS13)}
	first := ready(ctx, t, e.Supervisor, 4)
	for _, client := range clients {
		if v := e.visit(ctx, t, client); v.ConnectionState().DidResume {
			t.Error("resumed out of nothing")
		}
	}
	everywhere := func(what string, workers []harness.Worker) {
		t.Helper()
		for _, client := range clients {
			e.resumes(ctx, t, client, workers)
		}
		if t.Failed() {
			t.Fatal(what)
		}
	}
	everywhere("at the start", first.Workers)

	replaced := func(pid int) harness.Status {
		t.Helper()
		kill(t, pid, syscall.SIGKILL)
		return await(ctx, t, e.Supervisor, "a replacement", func(st harness.Status) bool {
			return len(st.Ready()) == 4 && !slices.Contains(harness.PIDs(st.Workers), pid)
		})
	}
	everywhere("after a worker was killed", replaced(first.Workers[0].PID).Ready())

	signal(t, e.Supervisor, syscall.SIGHUP)
	next := await(ctx, t, e.Supervisor, "another generation", func(st harness.Status) bool {
		return st.Generation == first.Generation+1 && len(st.Ready()) == 4 && len(st.Workers) == 4
	})
	everywhere("after a reload", next.Ready())

	mustUpgrade(ctx, t, e.Supervisor)
	everywhere("after an upgrade", ready(ctx, t, e.Supervisor, 4).Ready())
	everywhere("at one that was started after the upgrade", replaced(next.Workers[0].PID).Ready())
	signal(t, e.Supervisor, syscall.SIGTERM)
	exits(ctx, t, e.Supervisor, 0)
}

// Four workers take a new certificate in, and no connection notices. With a bad
// one in its place they serve on, and a reload is undone with the reason.
func TestACertificateIsReplacedUnderTheService(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	e, config := overTLS(t)
	e.Supervisor, _ = serve(ctx, t, 4, config)
	before := ready(ctx, t, e.Supervisor, 4)
	var open []*visitor
	for range 8 {
		open = append(open, e.visit(ctx, t, e.client(tls.VersionTLS13)))
	}
	still := func(want *certtest.Issued) {
		t.Helper()
		for _, v := range open {
			if err := v.ask(); err != nil {
				t.Errorf("a connection from before: %v", err)
			}
		}
		for range 8 {
			if v := e.visit(ctx, t, e.client(0)); !v.ConnectionState().PeerCertificates[0].Equal(want.Cert) {
				t.Errorf("worker %s shows the certificate %v", v.worker, v.ConnectionState().PeerCertificates[0].SerialNumber)
			}
		}
		if st := ready(ctx, t, e.Supervisor, 4); !slices.Equal(harness.PIDs(st.Workers), harness.PIDs(before.Workers)) {
			t.Errorf("workers were %v and are %v", harness.PIDs(before.Workers), harness.PIDs(st.Workers))
		}
	}
	logged := func(text string, times int) {
		t.Helper()
		err := harness.Poll(ctx, text, func() bool { return strings.Count(e.Stderr.String(), text) >= times })
		if err != nil {
			t.Fatal(err)
		}
	}
	fresh := e.ca.Issue(t, certtest.Leaf{Names: []string{"127.0.0.1"}})
	fresh.Write(t, e.dir)
	logged("certificate replaced", 4)
	still(fresh)

	certtest.Put(t, e.key, e.leaf.KeyPEM(t))
	logged("a changed certificate is not taken in", 4)
	still(fresh)
	if res := command(ctx, t, e.Supervisor, "reload", "--wait"); res.Code != 1 || !strings.Contains(res.Stdout+res.Stderr, "private key does not match public key") {
		t.Errorf("reloaded with a bad key: exit %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	still(fresh)
	fresh.Write(t, e.dir)
	logged("certificate and key are right again", 4)
	must(ctx, t, e.Supervisor, "reload", "--wait")
	secret := strings.Split(string(fresh.KeyPEM(t)), "\n")[1][:32]
	if said := e.Stderr.String() + e.Stdout.String() + must(ctx, t, e.Supervisor, "status", "--json").Stdout; strings.Contains(said, secret) || strings.Contains(said, "ticket_keys") {
		t.Error("a key was said")
	}
	signal(t, e.Supervisor, syscall.SIGTERM)
	exits(ctx, t, e.Supervisor, 0)
}

// A first start with a bad certificate says why, and ends as one whose workers do
// not boot.
func TestABadCertificateAtTheFirstStart(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	e, config := overTLS(t)
	certtest.Put(t, e.cert, []byte("no certificate"))
	e.Supervisor = launch(t, config)
	exits(ctx, t, e.Supervisor, 3)
	if want := "certificate " + e.cert + ": it has no certificate in PEM form"; !strings.Contains(e.Stderr.String(), want) {
		t.Errorf("%q was not said:\n%s", want, e.Stderr.Tail(20))
	}
}

// BenchmarkHandshake resumes sessions at four workers and says the median of what it
// took, connecting included: at the worker that gave the ticket, and at another.
func BenchmarkHandshake(b *testing.B) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		b.Run(strings.ReplaceAll(tls.VersionName(version), " ", ""), func(b *testing.B) {
			e, config := overTLS(b)
			config.Args, config.Bin = []string{"--workers", "4"}, bin
			e.Supervisor, _ = harness.Serve(b.Context(), b, 4, config)
			client := e.client(version)
			last := e.visit(b.Context(), b, client)
			var same, another []time.Duration
			for b.Loop() {
				v := e.visit(b.Context(), b, client)
				if !v.ConnectionState().DidResume {
					b.Fatal("not resumed")
				}
				if v.worker == last.worker {
					same = append(same, v.took)
				} else {
					another = append(another, v.took)
				}
				_ = last.Close()
				last = v
			}
			median := func(all []time.Duration) float64 {
				slices.Sort(all)
				return float64(all[len(all)/2].Microseconds())
			}
			if len(same) == 0 || len(another) == 0 {
				b.Skip("too few visits to have both kinds; give -benchtime 2000x")
			}
			b.ReportMetric(median(same), "same-µs")
			b.ReportMetric(median(another), "another-µs")
			b.ReportMetric(median(another)/median(same), "another/same")
		})
	}
}
