package logpipe

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// gate is a sink that takes nothing before it is opened.
type gate struct {
	buffer
	open    chan struct{}
	waiting chan struct{} // closed when a write has come
	first   bool
}

func newGate() *gate {
	return &gate{open: make(chan struct{}), waiting: make(chan struct{})}
}

func (g *gate) Write(p []byte) (int, error) {
	if !g.first { // only the one writer is here
		g.first = true
		close(g.waiting)
	}
	<-g.open
	return g.buffer.Write(p)
}

// A sink slower than the workers: with drop they go on, and the log says how
// many lines of whom are missing, and where.
func TestDrop(t *testing.T) {
	g := newGate()
	f, _, _ := testFanin(t, Options{Stdout: g, Stderr: g, BufferBytes: 64 << 10})
	const n = 20_000
	var pipes []*Pipe
	var ends []*os.File
	for worker := range 3 {
		p, w := attach(t, f, uint64(worker), Stdout)
		pipes, ends = append(pipes, p), append(ends, w)
	}
	fmt.Fprintln(ends[0], "0 first")
	<-g.waiting // the writer is stuck now
	for i := range n {
		for worker, w := range ends {
			fmt.Fprintf(w, "%d %d %0100d\n", worker, i, i)
		}
	}
	for i, w := range ends {
		w.Close()
		<-pipes[i].Done() // though nothing is written
	}
	close(g.open)
	closeAll(t, f)

	var seen, dropped [3]int
	last := [3]int{-1, -1, -1}
	for _, r := range records(t, g.String()) {
		if r.Level != "" {
			if r.Level != "WARN" || !strings.HasPrefix(r.Msg, fmt.Sprintf("dropped %d lines of worker %d", r.Dropped, r.Worker)) || r.PID != 4242 {
				t.Errorf("%+v", r)
			}
			dropped[r.Worker] += r.Dropped
			continue
		}
		seen[r.Worker]++
		if r.Msg == "0 first" {
			continue
		}
		worker, rest, _ := strings.Cut(r.Msg, " ")
		num, _, _ := strings.Cut(rest, " ")
		i, err := strconv.Atoi(num)
		if err != nil || worker != fmt.Sprint(r.Worker) || i <= last[r.Worker] {
			t.Fatalf("after %d came %+v", last[r.Worker], r)
		}
		last[r.Worker] = i
	}
	total := 0
	for worker := range 3 {
		want := n
		if worker == 0 {
			want++
		}
		if seen[worker]+dropped[worker] != want || dropped[worker] == 0 {
			t.Errorf("worker %d: %d lines seen and %d said to be dropped, of %d", worker, seen[worker], dropped[worker], want)
		}
		total += dropped[worker]
	}
	if s := f.Stats(); s.Lines != 3*n+1 || s.Dropped != uint64(total) || s.Lost != 0 {
		t.Errorf("%+v, %d dropped", s, total)
	}
}

// What is missing between two lines is said between them.
func TestDropIsSaidInPlace(t *testing.T) {
	g := newGate()
	f, _, _ := testFanin(t, Options{Stdout: g, Stderr: g, BufferBytes: 1, Format: Text})
	p, w := attach(t, f, 1, Stdout)
	read := func(n uint64, l string) {
		fmt.Fprintln(w, l)
		for f.Stats().Lines != n {
			runtime.Gosched()
		}
	}
	read(1, "a")
	<-g.waiting
	read(2, "b")
	read(3, "c")
	close(g.open)
	for f.pendingBytes() > 0 {
		runtime.Gosched()
	}
	read(4, "d")
	w.Close()
	<-p.Done()
	closeAll(t, f)
	got := regexp.MustCompile(`(?m)^.*\| `).ReplaceAllString(g.String(), "")
	want := "a\ndropped 2 lines of worker 1: the log is written slower than it comes worker=1 pid=4242 generation=2 dropped=2\nd\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func (f *Fanin) pendingBytes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, l := range f.lanes {
		n += l.pending
	}
	return n
}

// With block the workers wait: nothing is lost, and little is buffered.
func TestBlock(t *testing.T) {
	g := newGate()
	const limit = 64 << 10
	f, _, errs := testFanin(t, Options{Stdout: g, BufferBytes: limit, Overflow: Block})
	const n = 30_000
	r, fd, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	w := os.NewFile(uintptr(fd), "write end")
	defer w.Close()
	p := f.Attach(Source{Worker: 1}, Stdout, r)
	go func() {
		for i := range n {
			fmt.Fprintf(w, "%0100d\n", i)
		}
		w.Close()
	}()
	<-g.waiting
	// The reader has stopped when the pipe is full.
	rc, err := r.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for full := false; !full; runtime.Gosched() {
		err := rc.Control(func(fd uintptr) {
			size, _ = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0)
			in, _ := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
			full = in >= size*9/10
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := f.pendingBytes(); got > limit+2*flushAt {
		t.Errorf("%d bytes are buffered, the limit is %d", got, limit)
	}
	// The supervisor itself does not wait.
	slog.New(f.Handler()).Info("own")
	close(g.open)
	<-p.Done()
	closeAll(t, f)
	rs := records(t, g.String())
	if len(rs) != n {
		t.Fatalf("%d lines, want %d", len(rs), n)
	}
	for i, r := range rs {
		if r.Msg != fmt.Sprintf("%0100d", i) {
			t.Fatalf("line %d is %q", i, r.Msg)
		}
	}
	if s := f.Stats(); s != (Stats{Lines: n}) || !strings.Contains(errs.String(), "own") {
		t.Errorf("%+v, %q", s, errs)
	}
}

// The supervisor's own records have room of their own, but not without end; and
// what is missing of them is said too.
func TestOwnRecordsNeverWait(t *testing.T) {
	for _, overflow := range []Overflow{Drop, Block} {
		g := newGate()
		f, _, _ := testFanin(t, Options{Stderr: g, BufferBytes: 1, Overflow: overflow})
		log := slog.New(f.Handler())
		const n = 5000
		for i := range n {
			log.Info("own", "n", i)
		}
		dropped := f.Stats().Dropped
		close(g.open)
		closeAll(t, f)
		rs := records(t, g.String())
		last := rs[len(rs)-1]
		if dropped == 0 || len(rs) != n-int(dropped)+1 || last.Dropped != int(dropped) || last.Msg != fmt.Sprintf(
			"dropped %d records of the supervisor: the log is written slower than it comes", dropped) {
			t.Errorf("%v: %d records, %d dropped, the last %+v", overflow, len(rs), dropped, last)
		}
	}
}
