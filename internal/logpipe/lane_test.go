package logpipe

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A stdout that nobody reads holds back neither stderr nor the supervisor's own
// records, and the other way round, whatever is done with what does not fit.
func TestLanesDoNotWaitForEachOther(t *testing.T) {
	const live = 300 // lines that the buffer has room for
	for _, overflow := range []Overflow{Drop, Block} {
		for _, stuck := range []Stream{Stdout, Stderr} {
			t.Run(fmt.Sprint(overflow, " ", stuck, " stuck"), func(t *testing.T) {
				g := newGate()
				o := Options{Stdout: g, BufferBytes: 64 << 10, Overflow: overflow}
				if stuck == Stderr {
					o = Options{Stderr: g, BufferBytes: 64 << 10, Overflow: overflow}
				}
				f, out, errs := testFanin(t, o)
				free := errs
				if stuck == Stderr {
					free = out
				}
				dead, deadEnd := attach(t, f, 1, stuck)
				freePipe, liveEnd := attach(t, f, 1, 1-stuck)
				written := make(chan struct{})
				go func() {
					defer close(written)
					for i := range 30_000 {
						fmt.Fprintf(deadEnd, "%0100d\n", i)
					}
					deadEnd.Close()
				}()
				<-g.waiting
				for i := range live {
					fmt.Fprintf(liveEnd, "%d\n", i)
				}
				liveEnd.Close()
				<-freePipe.Done()
				for !strings.Contains(free.String(), `"msg":"299"`) {
					runtime.Gosched() // the sink is a buffer: it only has to be written
				}
				if overflow == Drop {
					<-dead.Done()
				}
				close(g.open)
				<-written
				<-dead.Done()
				closeAll(t, f)
				n := 0
				for _, r := range records(t, free.String()) {
					if r.Worker == 1 && r.Level == "" {
						n++
					}
				}
				if n != live {
					t.Errorf("%d lines of the stream that is read", n)
				}
				st := f.Stats()
				if st.Lost != 0 || (st.Dropped == 0) != (overflow == Block) {
					t.Errorf("%+v", st)
				}
				if overflow == Drop && stuck == Stdout {
					said := 0
					for _, r := range records(t, errs.String()) {
						said += r.Dropped
					}
					if said != int(st.Dropped) || !strings.Contains(errs.String(), "stdout takes lines slower than they come") {
						t.Errorf("%d lines are said to be dropped, of %d", said, st.Dropped)
					}
				}
			})
		}
	}
}

// Two names of one pipe or file are one sink: its lines are whole and in order.
func TestOneFileIsOneSink(t *testing.T) {
	name := filepath.Join(t.TempDir(), "both")
	var files []*os.File
	for range 2 {
		file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files = append(files, file)
	}
	f, _, _ := testFanin(t, Options{Stdout: files[0], Stderr: files[1]})
	if f.out != f.err {
		t.Error("two writers for one file")
	}
	var want []string
	for i := range 50 {
		s := Stream(i % 2)
		p, w := attach(t, f, uint64(i), s)
		fmt.Fprintln(w, i)
		w.Close()
		<-p.Done()
		want = append(want, fmt.Sprint(i))
	}
	closeAll(t, f)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range records(t, string(b)) {
		got = append(got, r.Msg)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q", got)
	}
	other, _, _ := testFanin(t, Options{})
	if other.out == other.err {
		t.Error("two buffers are one sink")
	}
}

// However much one worker writes, another's few lines find room.
func TestFloodLeavesRoom(t *testing.T) {
	g := newGate()
	f, _, _ := testFanin(t, Options{Stdout: g, BufferBytes: 512 << 10})
	var floods []*Pipe
	for worker := range 3 {
		p, w := attach(t, f, uint64(10+worker), Stdout)
		for i := range 5000 {
			fmt.Fprintf(w, "%0100d\n", i)
		}
		w.Close()
		<-p.Done()
		floods = append(floods, p)
	}
	<-g.waiting
	p, w := attach(t, f, 1, Stdout)
	for i := range 10 {
		fmt.Fprintln(w, "quiet", i)
	}
	w.Close()
	<-p.Done()
	close(g.open)
	closeAll(t, f)
	quiet := 0
	for _, r := range records(t, g.String()) {
		if strings.HasPrefix(r.Msg, "quiet") {
			quiet++
		}
	}
	if quiet != 10 || f.Stats().Dropped == 0 || len(floods) != 3 {
		t.Errorf("%d lines of the quiet one, %+v", quiet, f.Stats())
	}
}

// With block and a sink that takes nothing, workers that die one after the other
// do not pile up: the oldest give up, and that is counted and said.
func TestDeadWorkersDoNotPileUp(t *testing.T) {
	g := newGate()
	f, _, _ := testFanin(t, Options{Stdout: g, Stderr: g, BufferBytes: 16 << 10, Overflow: Block})
	const workers, lines = 100, 200
	for worker := range workers {
		var pipes []*Pipe
		for _, s := range []Stream{Stdout, Stderr} {
			p, w := attach(t, f, uint64(worker), s)
			for i := range lines {
				fmt.Fprintf(w, "%0100d\n", i)
			}
			w.Close()
			pipes = append(pipes, p)
		}
		for _, p := range pipes {
			p.Finish() // it is dead
		}
	}
	<-g.waiting
	left := func() int { // for the end of its pipes
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.pipes)
	}
	for left() > maxWaiting {
		runtime.Gosched()
	}
	if n := len(f.out.owing); n > maxOwing+2 {
		t.Errorf("%d dead workers are remembered", n)
	}
	close(g.open)
	closeAll(t, f)
	seen, said := 0, 0
	for _, r := range records(t, g.String()) {
		if r.Level == "" {
			seen++
		}
		said += r.Dropped
	}
	if st := f.Stats(); seen+said != 2*workers*lines || said == 0 || st.Dropped != uint64(said) || st.Lost != 0 {
		t.Errorf("%d lines seen, %d said to be dropped, %+v", seen, said, st)
	}
}

// A file on a full disk: the rest goes on, and when there is room again the log
// does, too.
func TestFullDisk(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("needs root: it mounts a small file system")
	}
	dir := t.TempDir()
	if err := unix.Mount("tandem-test", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a tmpfs here: %v", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	name := filepath.Join(dir, "log")
	f, _, errs := testFanin(t, Options{File: name})
	log := slog.New(f.Handler())
	p, w := attach(t, f, 1, Stdout)
	const n = 2000
	for i := range n {
		fmt.Fprintf(w, "%0100d\n", i)
	}
	said := "cannot write the log to " + name + ": no space left on device"
	for f.Stats().Lost == 0 || f.Stats().Lines < n || f.pendingBytes() > 0 || !strings.Contains(errs.String(), said) {
		runtime.Gosched()
	}
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name+".1", 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	log.Info("after")
	w.Close()
	<-p.Done()
	closeAll(t, f)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	rs := records(t, string(b))
	if len(rs) != 2 || rs[0].Msg != "after" && rs[1].Msg != "after" || rs[0].Lost+rs[1].Lost != int(f.Stats().Lost) {
		t.Errorf("in the new file: %+v; %+v", rs, f.Stats())
	}
}
