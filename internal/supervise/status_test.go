package supervise

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// busy is a worker in the midst of work: requests of several methods and codes
// have ended, a hundred are in flight, and its two limiters have said how they are.
func busy(term <-chan os.Signal) {
	conn, board, _ := handed()
	for _, method := range []string{"GET", "POST", "PUT"} {
		for _, code := range []int{200, 204, 404, 500} {
			board.Begin(method, "/posts/7/", "").End(code)
		}
	}
	for i := range 100 {
		board.Begin("GET", "/posts/7/", fmt.Sprintf("4bf92f3577b34da6a3ce929d0e0e47%02x", i)).Route("GET /posts/{id}/")
	}
	board.SetPermits(0, scoreboard.Sample{Name: "blocking", Limit: 40, InUse: 12, Queue: 3})
	board.SetPermits(1, scoreboard.Sample{Name: "cpu", Limit: 1, InUse: 1})
	greet(conn)
	<-term
	os.Exit(0)
}

// speak says that n workers are ready, have their boards read, and their memory since
// they run: it is read at most twice a second, and a worker that has only just been
// started has little.
func speak(n int) func(control.Status) bool {
	return func(st control.Status) bool {
		for _, w := range st.Workers {
			if w.RSSBytes == nil || *w.RSSBytes < 1<<20 {
				return false
			}
		}
		return speaking(n, 1)(st)
	}
}

func TestStatusFromTheBoard(t *testing.T) {
	r := start(t, "busy", "--workers", "1")
	st := r.until(t, "a worker that speaks", speak(1))
	w := st.Workers[0]
	if st.Wanted != 1 || *w.Requests != 112 || *w.InFlight != 100 {
		t.Errorf("%d requests, %d in flight, %+v of %d workers", *w.Requests, *w.InFlight, w, st.Wanted)
	}
	if w.Latency == nil || !reflect.DeepEqual(st.LatencyBounds, scoreboard.DurationBounds[:]) {
		t.Fatalf("latency %v, bounds %v", w.Latency, st.LatencyBounds)
	}
	var n uint64
	for _, c := range w.Latency.Counts {
		n += c
	}
	if n != 12 || len(w.Latency.Counts) != len(st.LatencyBounds)+1 || w.Latency.SumSeconds <= 0 {
		t.Errorf("12 requests have ended: %+v", w.Latency)
	}
	if len(w.OldestRequests) != mostNamed || *w.OldestRequestSeconds != w.OldestRequests[0].AgeSeconds {
		t.Errorf("oldest %v: %+v", w.OldestRequestSeconds, w.OldestRequests)
	}
	if len(w.Permits) != 2 || w.Permits[0].InUse != 12 || w.Permits[1].Limiter != "cpu" {
		t.Errorf("permits %+v", w.Permits)
	}
}

// Before the first request has ended there is nothing to be said of latency.
func TestStatusWithoutLatency(t *testing.T) {
	r := start(t, "", "--workers", "1")
	st := r.until(t, "a worker", ready(1, 1))
	if st.LatencyBounds != nil || st.Workers[0].Latency != nil {
		t.Errorf("latency %v, bounds %v", st.Workers[0].Latency, st.LatencyBounds)
	}
}

// BenchmarkStatus is what GET /v1/status takes on a connection that is kept. Its
// cpu-µs/op is the time of this whole process for one answer, the client's reading
// included; workers have no part in it.
func BenchmarkStatus(b *testing.B) {
	for _, workers := range []int{4, 32} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			r := start(b, "busy", "--workers", fmt.Sprint(workers))
			r.until(b, "workers that speak", speak(workers))
			path := filepath.Join(b.TempDir(), "s")
			server, err := control.Listen(path)
			if err != nil {
				b.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- server.Serve(b.Context(), r) }()
			transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			}}
			defer func() {
				transport.CloseIdleConnections()
				_ = server.Close()
				if err := <-served; err != nil {
					b.Error(err)
				}
			}()
			client := &http.Client{Transport: transport}
			var size int64
			before := cpu(b)
			for b.Loop() {
				res, err := client.Get("http://supervisor/v1/status")
				if err != nil {
					b.Fatal(err)
				}
				if size, err = io.Copy(io.Discard, res.Body); err != nil {
					b.Fatal(err)
				}
				res.Body.Close()
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// cpu is the time that this process has had.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
