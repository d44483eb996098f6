package logpipe

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Every write that a killed process completed comes out, once and in order, in
// the right sink and under the right name, whatever others print meanwhile.
func TestKilledWorkers(t *testing.T) {
	f, out, errs := testFanin(t, Options{Overflow: Block})
	const workers = 3
	var counts [workers]*os.File
	var cs [workers]child
	var wg sync.WaitGroup
	for i := range cs {
		fd, err := unix.MemfdCreate("counts", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		counts[i] = os.NewFile(uintptr(fd), "counts")
		defer counts[i].Close()
		if err := counts[i].Truncate(4096); err != nil {
			t.Fatal(err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cs[i] = start(t, f, uint64(i), "numbers", counts[i], w)
		w.Close()
		wg.Go(func() {
			if _, err := io.ReadFull(r, make([]byte, 2)); err != nil { // both streams are far enough
				t.Error(err)
			}
			if err := cs[i].cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			cs[i].finish()
		})
	}
	wg.Wait()
	closeAll(t, f)

	var next [workers][2]int64
	for s, b := range []*buffer{out, errs} {
		for _, r := range records(t, b.String()) {
			next[r.Worker][s]++
			n := next[r.Worker][s]
			want := fmt.Sprintf("%s line %d %s", Stream(s), n, strings.Repeat("x", int(n%97)))
			if r.Msg != want || r.Stream != Stream(s).String() || r.PID != cs[r.Worker].cmd.Process.Pid || r.Partial {
				t.Fatalf("worker %d: %+v, want %q", r.Worker, r, want)
			}
		}
	}
	for i := range cs {
		done := mapCounts(int(counts[i].Fd()))
		for s := range 2 {
			// One write may have been completed and not counted.
			if n, done := next[i][s], done[s].Load(); n != done && n != done+1 {
				t.Errorf("worker %d wrote %d lines on %v, %d came out", i, done, Stream(s), n)
			}
		}
	}
}

// Workers that write their lines in small pieces at the same time are never
// mixed, even with both streams in one sink.
func TestNeverMixed(t *testing.T) {
	both := new(buffer)
	f, _, _ := testFanin(t, Options{Stdout: both, Stderr: both, Overflow: Block})
	const n = 2000
	var wg sync.WaitGroup
	for worker := range 4 {
		for _, s := range []Stream{Stdout, Stderr} {
			p, w := attach(t, f, uint64(worker), s)
			wg.Go(func() {
				for i := range n {
					l := fmt.Sprintf("%d %v %d %s\n", worker, s, i, strings.Repeat("x", i%50))
					cut := i % len(l)
					_, _ = w.WriteString(l[:cut])
					_, _ = w.WriteString(l[cut:])
				}
				w.Close()
				<-p.Done()
			})
		}
	}
	wg.Wait()
	closeAll(t, f)
	next := map[string]int{}
	for _, r := range records(t, both.String()) {
		who := fmt.Sprint(r.Worker, " ", r.Stream)
		if want := fmt.Sprintf("%s %d %s", who, next[who], strings.Repeat("x", next[who]%50)); r.Msg != want {
			t.Fatalf("%q, want %q", r.Msg, want)
		}
		next[who]++
	}
	for who, got := range next {
		if got != n {
			t.Errorf("%s: %d lines", who, got)
		}
	}
	if len(next) != 8 {
		t.Errorf("streams: %v", next)
	}
}
