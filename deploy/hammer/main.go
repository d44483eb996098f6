// Command hammer keeps a steady load on /echo/ until it is told to stop (TERM),
// and accounts for every request. The deployment tests run it where the service
// runs, across reloads and restarts. Its invariant is that of internal/strict:
// no request is retried, so no loss is hidden.
//
// The last line is "sent=N refused=R bad=B"; the exit code is 0 only when
// something was sent, every request was answered well, and no connection was
// refused.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8000", "host:port of the service")
	clients := flag.Int("clients", 4, "clients of each kind: a connection per request, one kept, a slow upload")
	limit := flag.Duration("limit", 5*time.Minute, "stop by itself after so long")
	timeout := flag.Duration("timeout", 20*time.Second, "an answer later than this is a loss")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	told, ignore := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer ignore()

	group := func(mode strict.Mode) strict.Group {
		return strict.Group{
			Mode: mode, Clients: *clients, Target: "/echo/", Body: 64,
			ThinkMin: time.Millisecond, ThinkMax: 20 * time.Millisecond, Pace: 200 * time.Millisecond,
			Check: strict.EchoJSON,
		}
	}
	running := strict.Start(context.Background(), strict.Load{
		Addr: *addr, Duration: *limit, Timeout: *timeout,
		Groups: []strict.Group{group(strict.Short), group(strict.Kept), group(strict.Upload)},
	})
	ended := make(chan strict.Report, 1)
	go func() { ended <- running.Wait() }()
	var report strict.Report
	select {
	case <-told.Done():
		report = running.Stop()
	case report = <-ended:
	}

	fmt.Println(report)
	refused := report.Counts[strict.Refused]
	bad := report.Sent() - refused - report.Counts[strict.OK]
	fmt.Printf("sent=%d refused=%d bad=%d\n", report.Sent(), refused, bad)
	if report.Err() != nil || refused > 0 || report.Sent() == 0 {
		os.Exit(1)
	}
}
