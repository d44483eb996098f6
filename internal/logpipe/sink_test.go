package logpipe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// faulty is a sink that fails as it is told: each write takes what is set for
// it. It is used by one goroutine at a time.
type faulty struct {
	buffer
	takes []int // bytes taken of each write before it fails; -1: all, no failure
}

func (w *faulty) Write(p []byte) (int, error) {
	n := -1
	if len(w.takes) > 0 {
		n, w.takes = w.takes[0], w.takes[1:]
	}
	if n < 0 {
		return w.buffer.Write(p)
	}
	n = min(n, len(p)-1)
	_, _ = w.buffer.Write(p[:n])
	return n, &os.PathError{Op: "write", Path: "x", Err: unix.ENOSPC}
}

// However a sink fails, its lines are whole, and each is there or counted.
func TestSinkKeepsLinesWhole(t *testing.T) {
	for _, tt := range []struct {
		takes []int
		want  string
		lost  uint64
	}{
		{nil, "aa bb cc dd ee ff gg hh ", 0},
		{[]int{0}, "dd ee ff gg hh ", 3},
		{[]int{3}, "aa dd ee ff gg hh ", 2},
		{[]int{4}, "aa bb dd ee ff gg hh ", 1},
		{[]int{8}, "aa bb cc dd ee ff gg hh ", 0},
		{[]int{1, 0, 1}, "aa gg hh ", 5}, // the rest of "aa" takes three tries
		{[]int{7, -1, 1, 0, 0}, "aa bb cc dd hh ", 3},
	} {
		w := &faulty{takes: tt.takes}
		s := newSink("x", w, JSON)
		var lost, missing uint64
		var failed, recovered int
		for _, lines := range []string{"aa\nbb\ncc\n", "dd\nee\n", "ff\n", "gg\n", "hh\n"} {
			o := s.write([]byte(lines))
			lost += o.lost
			missing += o.missing
			if o.failed != nil {
				failed++
			}
			if o.recovered != nil {
				recovered++
			}
			if (s.failure != nil) != (failed > recovered) {
				t.Errorf("%v: failed %d times, recovered %d, %v", tt.takes, failed, recovered, s.failure)
			}
		}
		if got := strings.ReplaceAll(w.String(), "\n", " "); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.takes, got, tt.want)
		}
		for _, l := range strings.Fields(w.String()) {
			if len(l) != 2 || l[0] != l[1] {
				t.Errorf("%v: a torn line %q", tt.takes, l)
			}
		}
		if got := uint64(strings.Count(w.String(), "\n")); got+lost != 8 || lost != missing || lost != tt.lost {
			t.Errorf("%v: %d written, %d lost, %d said to be", tt.takes, got, lost, missing)
		}
	}
}

// The disk is full, and then it is not.
func TestFullSink(t *testing.T) {
	w := &faulty{takes: []int{20, 0, 0}}
	f, _, errs := testFanin(t, Options{Stdout: w})
	p, in := attach(t, f, 1, Stdout)
	for i := range 5 {
		fmt.Fprintln(in, i)
		for f.Stats().Lines != uint64(i+1) || f.pendingBytes() > 0 {
			runtime.Gosched()
		}
	}
	in.Close()
	<-p.Done()
	closeAll(t, f)
	var got []string
	for _, r := range records(t, w.String()) {
		got = append(got, r.Msg)
	}
	if fmt.Sprint(got) != "[0 3 4]" {
		t.Errorf("written: %q", got)
	}
	rs := records(t, errs.String())
	if len(rs) != 2 ||
		rs[0].Msg != "cannot write the log to stdout: its lines are lost until that works again" || rs[0].Error != "no space left on device" ||
		rs[1].Msg != "the log can be written to stdout again: 2 lines were lost" || rs[1].Lost != 2 {
		t.Errorf("said: %+v", rs)
	}
	if s := f.Stats(); s.Lost != 2 {
		t.Errorf("%+v", s)
	}
}

func TestRealFaults(t *testing.T) {
	r, broken, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	r.Close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for w, want := range map[*os.File]error{broken: unix.EPIPE, full: unix.ENOSPC} {
		f, _, errs := testFanin(t, Options{Stdout: w})
		_, in := attach(t, f, 1, Stdout)
		fmt.Fprintln(in, "x")
		err := f.Close(waiting(t))
		var lost *LostError
		if !errors.As(err, &lost) || lost.Lines != 1 || !errors.Is(err, want) {
			t.Errorf("Close: %v, want 1 line lost by %v", err, want)
		}
		if !strings.Contains(errs.String(), want.Error()) {
			t.Errorf("%v is not said: %q", want, errs)
		}
		if s := f.Stats(); s.Lost != 1 || s.Lines != 1 {
			t.Errorf("%+v", s)
		}
	}
	// When it is stderr that fails, stdout goes on and is not littered.
	f, out, _ := testFanin(t, Options{Stderr: full})
	_, in := attach(t, f, 1, Stdout)
	fmt.Fprintln(in, "x")
	slog.New(f.Handler()).Info("own")
	if err := f.Close(waiting(t)); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Close: %v", err)
	}
	if rs := records(t, out.String()); len(rs) != 1 || rs[0].Msg != "x" {
		t.Errorf("%+v", rs)
	}
}

// A full disk under the log file is said where it can be: on stderr, at once, and
// also when nobody reads that one.
func TestAFullLogFileIsSaidOnStderr(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	f, err := New(Options{File: "/dev/full", Stderr: w, Format: JSON})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(f.Handler()).Info("own")
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil || !strings.Contains(line, "/dev/full") || !strings.Contains(line, "no space left") {
		t.Errorf("%q, %v", line, err)
	}
	var lost *LostError
	if err := f.Close(waiting(t)); !errors.As(err, &lost) || lost.Lines != 1 {
		t.Errorf("Close: %v", err)
	}
}

// Another process made our blocking stdout a non-blocking one.
func TestSinkTurnsNonblocking(t *testing.T) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	defer r.Close()
	if err := unix.SetNonblock(p[1], true); err != nil {
		t.Fatal(err)
	}
	f, _, _ := testFanin(t, Options{Stdout: w, Overflow: Block})
	in, fd := attach(t, f, 1, Stdout)
	const n = 5000
	go func() {
		for i := range n {
			fmt.Fprintf(fd, "%0100d\n", i)
		}
		fd.Close()
		<-in.Done()
		if err := f.Close(waiting(t)); err != nil {
			t.Error(err)
		}
		w.Close()
	}()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if rs := records(t, string(b)); len(rs) != n || f.Stats().Lost != 0 {
		t.Errorf("%d records, %+v", len(rs), f.Stats())
	}
}
