package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

const (
	eventStreams = 10_000 // each is sent an event a second
	besideRate   = 500    // requests a second beside them
)

// crowded is a server with the processes that its time is counted of.
type crowded struct {
	*service
	pids []int
}

// streams asks what ten thousand event streams cost the requests beside them, and
// what an event costs the server.
func streams(ctx context.Context, o options, r *report) error {
	r.text("`GET /modern/`, %d a second at times fixed beforehand on 8 kept connections, latency from the intended time, %s alone and %s beside %d event streams with an event a second each, %d times. The streams' client is a process of its own on the same CPUs. The time of the server's processes beside the streams is divided by the events that they sent; it includes the light requests.",
		besideRate, o.each, o.each, eventStreams, o.reps)
	starts := []func() (crowded, error){
		func() (crowded, error) {
			s, pid, err := twinProcess(ctx)
			return crowded{s, []int{pid}}, err
		},
		func() (crowded, error) {
			s, err := twin(ctx, "prefork", fmt.Sprintf("net/http, %d processes", workers))
			if err != nil {
				return crowded{}, err
			}
			return crowded{s, harness.Children(s.pid)}, nil
		},
		func() (crowded, error) { return crowdedTandem(ctx, o, 1) },
		func() (crowded, error) { return crowdedTandem(ctx, o, workers) },
	}
	names := make([]string, len(starts))
	alone, beside, p50, cost := make([]sample, len(starts)), make([]sample, len(starts)), make([]sample, len(starts)), make([]sample, len(starts))
	for range o.reps {
		for i, start := range starts {
			// A process of its own for each: what a crowd has left behind would be there for the next.
			s, err := start()
			if err != nil {
				return err
			}
			got, err := besideStreams(ctx, o, s)
			if err = errors.Join(err, s.close()); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			names[i] = s.name
			alone[i] = append(alone[i], ms(got.alone.Quantile(.99)))
			p50[i] = append(p50[i], ms(got.beside.Quantile(.5)))
			beside[i] = append(beside[i], ms(got.beside.Quantile(.99)))
			cost[i] = append(cost[i], got.each.Seconds()*1e6)
		}
	}
	rows := [][]string{{"server", "p99 ms alone", "p50 ms beside", "p99 ms beside", "of net/http", "of its own alone", "µs of CPU an event", "of net/http"}}
	for i := range starts {
		rows = append(rows, []string{
			names[i], alone[i].show("%.2f"), p50[i].show("%.2f"), beside[i].show("%.2f"), ratio(beside[i], beside[0]),
			ratio(beside[i], alone[i]), cost[i].show("%.1f"), ratio(cost[i], cost[0]),
		})
	}
	r.table(rows)
	return nil
}

func crowdedTandem(ctx context.Context, o options, n int) (crowded, error) {
	sup, s, err := tandem(ctx, o, n)
	if err != nil {
		return crowded{}, err
	}
	st, err := sup.Status(ctx)
	return crowded{s, harness.PIDs(st.Workers)}, err
}

type besideResult struct {
	alone, beside strict.Histogram
	each          time.Duration // of the server's CPU time, for an event
}

func besideStreams(ctx context.Context, o options, s crowded) (got besideResult, err error) {
	if _, err = lightly(ctx, s.addr, time.Second); err != nil { // warm-up
		return got, err
	}
	if got.alone, err = lightly(ctx, s.addr, o.each); err != nil {
		return got, err
	}
	c, err := listen(ctx, s.addr)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	// All are there, and have had an event; what joining took is over.
	if _, err = lightly(ctx, s.addr, time.Second); err != nil {
		return got, err
	}
	before, begun := cpuOf(s.pids), time.Now()
	if got.beside, err = lightly(ctx, s.addr, o.each); err != nil {
		return got, err
	}
	events := time.Since(begun).Seconds() * eventStreams
	got.each = time.Duration(float64(cpuOf(s.pids)-before) / events)
	return got, nil
}

func cpuOf(pids []int) (sum time.Duration) {
	for _, pid := range pids {
		sum += harness.CPU(pid)
	}
	return sum
}

func lightly(ctx context.Context, addr string, d time.Duration) (strict.Histogram, error) {
	rep := strict.Start(ctx, strict.Load{Addr: addr, Duration: d, Groups: []strict.Group{
		{Mode: strict.Kept, Clients: 8, Target: "/modern/", Rate: besideRate},
	}}).Wait()
	return rep.Latency, rep.Err()
}

// listeners is the client of the streams, a process of its own.
type listeners struct {
	cmd   *exec.Cmd
	stdin io.Closer
	said  *bufio.Reader
}

// listen returns when every stream has had an event.
func listen(ctx context.Context, addr string) (*listeners, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &listeners{cmd: exec.CommandContext(ctx, self, rivalCommand, "listen", addr)}
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.said = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := c.said.ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("the client of the streams said nothing: %w", err), c.close())
	}
	return c, nil
}

// close fails when a stream has ended before.
func (c *listeners) close() error {
	_ = c.stdin.Close()
	_, _ = io.Copy(io.Discard, c.said)
	return c.cmd.Wait()
}

// listenTo is that client: it reads until its stdin or ctx ends.
func listenTo(ctx context.Context, addr string) error {
	c, err := openCrowd(ctx, addr, eventStreams)
	if err != nil {
		return err
	}
	defer c.close()
	if _, err := c.send("/events/"); err != nil {
		return err
	}
	var first sync.WaitGroup
	var closing atomic.Bool
	first.Add(len(c.conns))
	ended := make(chan error, len(c.conns))
	for _, one := range c.conns {
		go func() {
			heard := sync.OnceFunc(first.Done)
			defer heard()
			resp, err := http.ReadResponse(one.r, nil)
			if err == nil && resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
			for err == nil { // what comes is not looked at
				if _, err = one.r.Peek(1); err == nil {
					heard()
					_, err = one.r.Discard(one.r.Buffered())
				}
			}
			if !closing.Load() {
				ended <- fmt.Errorf("an event stream has ended: %w", err)
			}
		}()
	}
	first.Wait()
	fmt.Println("all")
	enough := make(chan struct{})
	go func() {
		defer close(enough)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	select {
	case <-enough:
	case <-ctx.Done():
	}
	closing.Store(true)
	select {
	case err := <-ended:
		return err
	default:
		return nil
	}
}

// twinEvents is what a Go programmer writes for the app's /events/.
func twinEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache, no-transform")
	rc := http.NewResponseController(w)
	id, _ := strconv.ParseUint(strings.TrimSpace(r.Header.Get("Last-Event-Id")), 10, 64)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		id++
		if _, err := fmt.Fprintf(w, "id: %d\ndata: {\"event\":%d,\"worker\":1}\n\n", id, id); err != nil {
			return
		}
		if rc.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
