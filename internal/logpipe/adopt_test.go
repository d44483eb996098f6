package logpipe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dup is how a program that takes over gets at a descriptor.
func dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3) }

// same keeps a descriptor.
func same(fd int) int { return fd }

// succeed makes a Fanin take the place of another, by way of JSON, with the
// streams of one worker.
func succeed(t *testing.T, f *Fanin, o Options, flush time.Duration, stdout, stderr *Pipe) (*Fanin, *Pipe, *Pipe) {
	t.Helper()
	if err := f.Pause(t.Context(), flush); err != nil {
		t.Fatal(err)
	}
	st, err := f.Save(same)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := SaveWorker(stdout, stderr, same)
	if err != nil {
		t.Fatal(err)
	}
	var whole struct {
		State  State
		Worker WorkerState
	}
	text, err := json.Marshal(struct {
		State  State
		Worker WorkerState
	}{st, ws})
	if err == nil {
		err = json.Unmarshal(text, &whole)
	}
	if err != nil {
		t.Fatal(err)
	}
	next, err := Adopt(o, whole.State, dup)
	if err != nil {
		t.Fatal(err)
	}
	so, se, err := next.AdoptWorker(whole.Worker, dup, [2]Watch{})
	if err != nil {
		t.Fatal(err)
	}
	// The first one is gone, as after an exec: whatever it would still write is
	// thrown away, and it must not read.
	f.mu.Lock()
	for _, l := range f.lanes {
		l.queue, l.pending = batch{}, 0
		l.sink.rest, l.sink.w = nil, io.Discard
	}
	for p := range f.pipes {
		p.fd.Close()
	}
	f.mu.Unlock()
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	next.Resume()
	return next, so, se
}

func attachBoth(t *testing.T, f *Fanin) (stdout, stderr *Pipe, out, errw int) {
	t.Helper()
	src := Source{Worker: 3, PID: 33, Generation: 1}
	or, ow, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	er, ew, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	return f.Attach(src, Stdout, or), f.Attach(src, Stderr, er), ow, ew
}

func write(t *testing.T, fd int, text string) {
	t.Helper()
	if n, err := unix.Write(fd, []byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
}

// until waits until the pipe's content was taken.
func empty(t *testing.T, fd int) {
	t.Helper()
	for {
		n, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the pipe was not read")
		}
		time.Sleep(time.Millisecond)
	}
}

// Lines of numbers, through ten programs one after another: each comes out
// whole, once, in order, and what the worker said last is still known.
func TestLinesGoOnInTheNextProgram(t *testing.T) {
	var sink bytes.Buffer
	o := Options{Stdout: &sink, Stderr: &sink, Format: JSON, Overflow: Block}
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, out, errw := attachBoth(t, f)
	written := make(chan struct{})
	const lines = 20000
	go func() {
		defer close(written)
		var text []byte
		for i := range lines {
			text = fmt.Appendf(text, "line %d\n", i)
		}
		for i := 0; i < len(text); { // cut anywhere
			n, err := unix.Write(out, text[i:min(i+777, len(text))])
			if err != nil {
				t.Error(err)
				return
			}
			i += n
		}
	}()
	write(t, errw, "panic: half of it\n\ngoroutine 1 [running]:\nmain.main()\n")
	write(t, errw, "\t/src/main")
	empty(t, errw)
	for range 10 {
		f, stdout, stderr = succeed(t, f, o, time.Second, stdout, stderr)
	}
	write(t, errw, ".go:7 +0x1\nexit status 2\n")
	<-written
	unix.Close(out)
	unix.Close(errw)
	<-stdout.Done()
	<-stderr.Done()
	if got := stdout.Tail(); len(got) != tailRecords {
		t.Errorf("the tail has %d records", len(got))
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, panics := 0, 0
	for line := range strings.Lines(sink.String()) {
		var r struct{ Msg, Kind string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if r.Kind == "panic" {
			panics++
			if want := "panic: half of it\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:7 +0x1\nexit status 2"; r.Msg != want {
				t.Errorf("%q", r.Msg)
			}
			continue
		}
		if r.Msg != fmt.Sprintf("line %d", next) {
			t.Fatalf("after %d came %q", next-1, r.Msg)
		}
		next++
	}
	if next != lines || panics != 1 {
		t.Errorf("%d lines and %d panics", next, panics)
	}
	if n := f.Stats().Lines; n != lines+1 {
		t.Errorf("%d lines were counted", n)
	}
}

// A worker may die in the very moment: its pipe is closed, and its reader has not said
// yet that it is done. That is no reason for an upgrade to fail.
func TestAPipeThatIsJustClosedHasEnded(t *testing.T) {
	f, err := New(Options{Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close(context.Background())
	stdout, stderr, out, errw := attachBoth(t, f)
	unix.Close(out)
	unix.Close(errw)
	<-stdout.Done()
	<-stderr.Done()
	stderr.done = make(chan struct{}) // as if the reader had come no further
	kept := func(int) int { t.Error("a closed descriptor is kept"); return -1 }
	st, err := SaveWorker(stdout, stderr, kept)
	if err != nil || st.Pipes[0].FD != -1 || st.Pipes[1].FD != -1 {
		t.Errorf("saved as %+v: %v", st.Pipes, err)
	}
	next, err := New(Options{Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close(context.Background())
	so, se, err := next.AdoptWorker(st, dup, [2]Watch{})
	if err != nil {
		t.Fatal(err)
	}
	<-so.Done()
	<-se.Done()
}

// A reader that takes nothing does not hold an upgrade up, and no line is torn
// or lost once it reads again, though a write was cut in the middle of one.
func TestAStuckReaderHoldsNothingUp(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	own := Unblocked(w) // as stdout is a description that others have too
	if own == w {
		t.Fatal("the pipe could not be opened anew")
	}
	o := Options{Stdout: own, Stderr: io.Discard, Format: JSON, Overflow: Block, BufferBytes: 64 << 10}
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, out, errw := attachBoth(t, f)
	const lines = 5000
	go func() {
		for i := range lines {
			if _, err := unix.Write(out, fmt.Appendf(nil, "line %d %0100d\n", i, 0)); err != nil {
				t.Error(err)
			}
		}
		unix.Close(out)
		unix.Close(errw)
	}()
	for full := false; !full; { // by slots, not by bytes
		var err error
		if e := control(w, func(fd int) {
			var n int
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 0)
			full = n == 0
		}); e != nil || err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(e, err)
		}
		if t.Context().Err() != nil {
			t.Fatal("nothing was written")
		}
		runtime.Gosched()
	}
	for range 3 {
		begin := time.Now()
		f, stdout, stderr = succeed(t, f, o, 10*time.Millisecond, stdout, stderr)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
	}
	all := make(chan []byte)
	go func() { b, _ := io.ReadAll(r); all <- b }()
	<-stdout.Done()
	<-stderr.Done()
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	own.Close()
	w.Close()
	next := 0
	for line := range strings.Lines(string(<-all)) {
		var r struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %.200s", err, line)
		}
		if !strings.HasPrefix(r.Msg, fmt.Sprintf("line %d ", next)) {
			t.Fatalf("after %d came %q", next-1, r.Msg)
		}
		next++
	}
	if next != lines {
		t.Errorf("%d lines", next)
	}
}

// stuck is a sink whose writes cannot be called off.
type stuck struct{ begun, free chan struct{} }

func (s stuck) Write(b []byte) (int, error) {
	select {
	case s.begun <- struct{}{}:
	default:
	}
	<-s.free
	return len(b), nil
}

func TestAWriteThatCannotBeCalledOffRefusesThePause(t *testing.T) {
	s := stuck{make(chan struct{}, 1), make(chan struct{})}
	f, err := New(Options{Stdout: s, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	stdout, _, out, errw := attachBoth(t, f)
	write(t, out, "one\n")
	<-s.begun
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := f.Pause(ctx, time.Millisecond); err == nil {
		t.Error("it was paused in the middle of a write")
	}
	write(t, out, "two\n") // and everything goes on
	unix.Close(out)
	unix.Close(errw)
	<-stdout.Done()
	close(s.free)
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func control(f *os.File, do func(fd int)) error {
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	return rc.Control(func(fd uintptr) { do(int(fd)) })
}
