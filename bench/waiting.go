package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// waitingRequests is how many requests wait at once.
const waitingRequests = 10_000

// waiting asks how long ten thousand requests take that wait 100 ms each, and
// what memory one that waits costs.
func waiting(ctx context.Context, o options, r *report) error {
	r.text("%d requests for `/hello/`, which waits %v, sent at once on as many connections that are open already, by one client on the same machine; the time runs from the first byte sent to the last answer. %d times.",
		waitingRequests, helloWaits, o.reps)
	twin, err := twin(ctx, "nethttp", "net/http, one process")
	if err != nil {
		return err
	}
	defer twin.close()
	_, one, err := tandem(ctx, o, 1)
	if err != nil {
		return err
	}
	defer one.close()
	_, four, err := tandem(ctx, o, workers)
	if err != nil {
		return err
	}
	defer four.close()
	all := []*service{twin, one, four}
	took := make([]sample, len(all))
	for range o.reps {
		for i, s := range all {
			c, err := openCrowd(ctx, s.addr, waitingRequests)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			d, err := c.ask("/hello/")
			c.close()
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			took[i] = append(took[i], ms(d))
		}
	}
	rows := [][]string{{"server", "all answered after ms", "of net/http"}}
	for i, s := range all {
		rows = append(rows, []string{s.name, took[i].show("%.0f"), ratio(took[i], took[0])})
	}
	r.table(rows)
	return waitingMemory(ctx, o, r)
}

// waitingMemory compares resident memory with nobody there, with everybody idle,
// and with everybody waiting.
func waitingMemory(ctx context.Context, o options, r *report) error {
	r.text("Resident memory of one process with %d requests waiting, in KiB for each: HTTP/1.1 on a connection each, after every connection had answered one request; HTTP/2 (h2c) on as few connections as the server's streams allow (net/http: 250, Tandem: 100). It holds what the garbage collector keeps in reserve.", waitingRequests)
	rows := [][]string{{"server", "idle connection", "waiting, with its connection", "what waiting adds", "waiting on HTTP/2"}}
	for _, start := range []func() (*service, int, error){
		func() (*service, int, error) { return twinProcess(ctx) },
		func() (*service, int, error) { return ownWorkers(ctx, o, 1, "views", "-") },
	} {
		s, pid, err := start()
		if err != nil {
			return err
		}
		row, err := memoryOf(ctx, s, pid)
		if err != nil {
			_ = s.close()
			return fmt.Errorf("%s: %w", s.name, err)
		}
		// The other protocol in a process that has held nothing before.
		_ = s.close()
		if s, pid, err = start(); err != nil {
			return err
		}
		h2 := "–"
		if s.h2c {
			h2, err = memoryOfStreams(ctx, s, pid)
		}
		_ = s.close()
		if err != nil {
			return fmt.Errorf("%s: HTTP/2: %w", s.name, err)
		}
		rows = append(rows, append(row, h2))
	}
	r.table(rows)
	return nil
}

func twinProcess(ctx context.Context) (*service, int, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	s, cmd, err := command(ctx, "net/http", "", nil, func(addr string) []string { return []string{self, rivalCommand, "nethttp", addr} })
	if err != nil {
		return nil, 0, err
	}
	s.h2c = true
	return s, cmd.Process.Pid, nil
}

// ownWorkers starts n workers that are this program, of a kind that rival knows,
// and returns one's process.
func ownWorkers(ctx context.Context, o options, n int, kind, arg string) (*service, int, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	sup, err := harness.Start(harness.Config{
		Bin: o.bin, Args: []string{"--workers", fmt.Sprint(n)}, Command: []string{self, rivalCommand, kind, arg},
	})
	if err != nil {
		return nil, 0, err
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	st, err := sup.Ready(ready, n)
	if err != nil {
		_ = sup.Close()
		return nil, 0, err
	}
	return &service{name: fmt.Sprintf("Tandem, %d %s", n, plural(n, "worker")), addr: sup.Addr, close: sup.Close, h2c: true}, st.Workers[0].PID, nil
}

func memoryOf(ctx context.Context, s *service, pid int) ([]string, error) {
	before, err := harness.RSS(pid)
	if err != nil {
		return nil, err
	}
	c, err := openCrowd(ctx, s.addr, waitingRequests)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if _, err := c.ask("/modern/"); err != nil {
		return nil, err
	}
	idle, err := harness.RSS(pid)
	if err != nil {
		return nil, err
	}
	if _, err := c.send("/wait/"); err != nil {
		return nil, err
	}
	waits, err := settledRSS(ctx, pid)
	if err != nil {
		return nil, err
	}
	each := func(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/waitingRequests/1024) }
	return []string{s.name, each(idle - before), each(waits - before), each(waits - idle)}, nil
}

func memoryOfStreams(ctx context.Context, s *service, pid int) (string, error) {
	before, err := harness.RSS(pid)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	asking, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	var failed error
	var once sync.Once
	for range waitingRequests {
		all.Go(func() {
			req, err := http.NewRequestWithContext(asking, http.MethodGet, "http://"+s.addr+"/wait/", nil)
			if err == nil {
				var resp *http.Response
				if resp, err = transport.RoundTrip(req); err == nil {
					_ = resp.Body.Close()
					err = fmt.Errorf("it was answered with %s before its memory was read", resp.Status)
				}
			}
			if asking.Err() == nil {
				once.Do(func() { failed = err })
			}
		})
	}
	waits, err := settledRSS(ctx, pid)
	cancel()
	all.Wait()
	if err = errors.Join(err, failed); err != nil {
		return "", err
	}
	return fmt.Sprintf("%.1f", float64(waits-before)/waitingRequests/1024), nil
}

// settledRSS is a process's memory once it has not grown for a second.
func settledRSS(ctx context.Context, pid int) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, longWait/2)
	defer cancel()
	var last int64
	since := time.Now()
	err := harness.Poll(ctx, "the memory to settle", func() bool {
		now, err := harness.RSS(pid)
		if err != nil || now > last+1<<20 || now < last-1<<20 {
			last, since = now, time.Now()
		}
		return time.Since(since) > time.Second
	})
	return last, err
}

// crowdOf is many connections of one client.
type crowdOf struct{ conns []*asker }

type asker struct {
	net.Conn
	r *bufio.Reader
}

func openCrowd(ctx context.Context, addr string, n int) (*crowdOf, error) {
	c := &crowdOf{conns: make([]*asker, n)}
	var d net.Dialer
	const atOnce = 100
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for part := range atOnce {
		all.Go(func() {
			for i := part; i < n; i += atOnce {
				conn, err := d.DialContext(ctx, "tcp", addr)
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				c.conns[i] = &asker{Conn: conn, r: bufio.NewReaderSize(conn, 512)}
			}
		})
	}
	all.Wait()
	if failed != nil {
		c.close()
	}
	return c, failed
}

func (c *crowdOf) close() {
	for _, one := range c.conns {
		if one != nil {
			_ = one.Close()
		}
	}
}

// send sends one request on every connection and returns when it began.
func (c *crowdOf) send(target string) (time.Time, error) {
	request := []byte("GET " + target + " HTTP/1.1\r\nHost: bench\r\n\r\n")
	begun := time.Now()
	for _, one := range c.conns {
		if _, err := one.Write(request); err != nil {
			return begun, err
		}
	}
	return begun, nil
}

// ask sends one request on every connection and returns how long all took to be
// answered. Each answer is read to its end.
func (c *crowdOf) ask(target string) (time.Duration, error) {
	begun, err := c.send(target)
	if err != nil {
		return 0, err
	}
	for _, one := range c.conns {
		_ = one.SetReadDeadline(begun.Add(30 * time.Second))
		resp, err := http.ReadResponse(one.r, nil)
		if err != nil {
			return 0, err
		}
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("not a whole 200 but %s, %.200q: %w", resp.Status, body, err)
		}
	}
	return time.Since(begun), nil
}
