//go:build load

package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/test/harness"
)

// TestNoRequestIsLostBesideHostileClients: three hundred of six kinds, who come again
// whenever they are cut, and reloads. What the strict clients send is answered, with 200.
func TestNoRequestIsLostBesideHostileClients(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	admin := filepath.Join(dir, "admin.sock")
	s, _ := serve(ctx, t, 2, harness.Config{Dir: dir, Args: []string{"--admin", "unix:" + admin}})
	l := traffic(s.Addr)
	l.Duration = 2 * time.Minute
	l.Groups = append(l.Groups, strict.Group{Mode: strict.Upload, Clients: 4, Target: "/echo/", Body: 4 << 10, Pace: 400 * time.Millisecond, Check: strict.EchoJSON, Tag: strict.EchoWorker})
	for i := range l.Groups {
		l.Groups[i].Accept = func(status int) bool { return status == http.StatusOK }
	}
	run := begin(ctx, t, l)

	h := &hostiles{addr: s.Addr, attacks: map[string]*atomic.Int64{}}
	attacking, stop := context.WithCancel(ctx)
	kinds := hostileKinds()
	for name, attack := range kinds {
		h.attacks[name] = new(atomic.Int64)
		for range 300 / len(kinds) {
			h.all.Go(func() { h.again(attacking, name, attack) })
		}
	}
	defer h.all.Wait()
	defer stop()
	all := 300 / len(kinds)
	if err := harness.Poll(ctx, "each hostile client to have begun", func() bool {
		for _, n := range h.attacks {
			if n.Load() < int64(all) {
				return false
			}
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		flow(ctx, t, run, 300)
		must(ctx, t, s, "reload", "--wait")
	}
	flow(ctx, t, run, 300)
	// What is refused or given up is counted, and said.
	count := map[string]float64{}
	if err := harness.Poll(ctx, "those who were cut to be counted", func() bool {
		count = codes(ctx, t, admin)
		return count["other 400"] >= float64(all) && count["other 408"] >= float64(all)
	}); err != nil {
		t.Errorf("%v: %v", err, count)
	}
	for _, record := range []string{"refused", "a client was given up"} {
		if _, err := s.Stderr.AwaitText(ctx, record); err != nil {
			t.Error(err)
		}
	}
	flow(ctx, t, run, 300)
	rep := run.Stop()
	stop()
	h.all.Wait()
	faultless(t, rep)
	for _, name := range slices.Sorted(maps.Keys(h.attacks)) {
		t.Logf("%d times: %s", h.attacks[name].Load(), name)
	}
	t.Logf("answers by status: %v", count)
}

// codes sums up tandem_requests_total by status; apart what was refused or given up
// before it was a request, which has no method.
func codes(ctx context.Context, t *testing.T, admin string) map[string]float64 {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", admin)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://admin/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	sums := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		labels, value, _ := strings.Cut(lines.Text(), "} ")
		if _, code, ok := strings.Cut(labels, `code="`); ok && strings.HasPrefix(labels, "tandem_requests_total{") {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatalf("%q: %v", lines.Text(), err)
			}
			code, _, _ = strings.Cut(code, `"`)
			if strings.Contains(labels, `method="other"`) {
				code = "other " + code
			}
			sums[code] += n
		}
	}
	return sums
}

// hostiles are clients that come to do harm.
type hostiles struct {
	addr    string
	attacks map[string]*atomic.Int64 // begun, by kind
	all     sync.WaitGroup
}

// again attacks, each time on a connection of its own, until ctx ends.
func (h *hostiles) again(ctx context.Context, name string, attack func(net.Conn, <-chan time.Time) error) {
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", h.addr)
		if err == nil {
			h.attacks[name].Add(1)
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			_ = attack(conn, beat.C) // that it fails is the good case
			stop()
			_ = conn.Close()
		}
		select {
		case <-beat.C:
		case <-ctx.Done():
		}
	}
}

// untilCut reads until the server ends the connection.
func untilCut(conn net.Conn) error {
	_, err := io.Copy(io.Discard, conn)
	return err
}

// hostileKinds are what they do, with a beat a second. Each returns when the server has cut it.
func hostileKinds() map[string]func(net.Conn, <-chan time.Time) error {
	dribble := func(conn net.Conn, beat <-chan time.Time, first, piece string) error {
		cut := make(chan error, 1)
		go func() { cut <- untilCut(conn) }()
		_, err := io.WriteString(conn, first)
		for err == nil {
			select {
			case <-beat:
				_, err = io.WriteString(conn, piece)
			case err := <-cut:
				return err
			}
		}
		_ = conn.Close()
		<-cut
		return err
	}
	return map[string]func(net.Conn, <-chan time.Time) error{
		"headers that dribble": func(conn net.Conn, beat <-chan time.Time) error {
			return dribble(conn, beat, "GET /modern/ HTTP/1.1\r\nHost: x\r\nX-Slow: ", "x")
		},
		"bodies that dribble": func(conn net.Conn, beat <-chan time.Time) error {
			return dribble(conn, beat, "POST /echo/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "x")
		},
		"answers that nobody reads": func(conn net.Conn, _ <-chan time.Time) error {
			for {
				if _, err := io.WriteString(conn, strings.Repeat("GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 1000)); err != nil {
					return err
				}
			}
		},
		"connections that are left half open": func(conn net.Conn, _ <-chan time.Time) error {
			switch tcp := conn.(*net.TCPConn); rand.IntN(4) {
			case 0: // says nothing
			case 1: // says that it says nothing
				_ = tcp.CloseWrite()
			case 2: // says half of it
				_, _ = io.WriteString(conn, "GET /modern/ HT")
				_ = tcp.CloseWrite()
			case 3: // is gone before it is answered
				_, err := io.WriteString(conn, "GET /hello/ HTTP/1.1\r\nHost: x\r\n\r\n")
				_ = tcp.SetLinger(0)
				return err
			}
			return untilCut(conn)
		},
		"streams that are reset at once": func(conn net.Conn, _ <-chan time.Time) error {
			c := h2raw.New(conn)
			if _, err := c.Begin(); err != nil {
				return err
			}
			cut := make(chan error, 1)
			go func() { cut <- untilCut(conn) }()
			defer func() { _ = conn.Close(); <-cut }()
			for stream := uint32(1); stream < 20_000; {
				var frames []h2raw.Frame
				for range 100 {
					frames = append(frames, h2raw.Request(stream, "GET", "/hello/", h2raw.EndStream), h2raw.Number(h2raw.RSTStream, stream, 8))
					stream += 2
				}
				if err := c.Send(frames...); err != nil {
					return err
				}
			}
			return fmt.Errorf("all of it was taken")
		},
		"garbage": func(conn net.Conn, _ <-chan time.Time) error {
			b := make([]byte, 2000)
			for i := range b {
				b[i] = byte(rand.Uint32())
			}
			whole := []string{"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot frames at all", string(b)}
			if _, err := io.WriteString(conn, whole[rand.IntN(len(whole))]); err != nil {
				return err
			}
			return untilCut(conn)
		},
	}
}
