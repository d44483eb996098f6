package logpipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStreams(t *testing.T) {
	f, out, errs := testFanin(t, Options{})
	pOut, wOut := attach(t, f, 1, Stdout)
	pErr, wErr := attach(t, f, 1, Stderr)
	fmt.Fprint(wOut, "a\nb\nlast words")
	wOut.Close()
	<-pOut.Done()
	fmt.Fprint(wErr, "c\r\n\n")
	wErr.Close()
	<-pErr.Done()
	closeAll(t, f)

	var got []string
	for _, r := range append(records(t, out.String()), records(t, errs.String())...) {
		got = append(got, fmt.Sprint(r.Stream, " ", r.Worker, " ", r.PID, " ", r.Generation, " ", r.Msg, " ", r.Partial))
	}
	want := []string{
		"stdout 1 4242 2 a false", "stdout 1 4242 2 b false", "stdout 1 4242 2 last words true",
		"stderr 1 4242 2 c false", "stderr 1 4242 2  false",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if tail := pOut.Tail(); !reflect.DeepEqual(tail, []string{"a", "b", "last words", "c", ""}) || !reflect.DeepEqual(tail, pErr.Tail()) {
		t.Errorf("tails %q, %q", tail, pErr.Tail())
	}
	if s := f.Stats(); s != (Stats{Lines: 5}) {
		t.Errorf("%+v", s)
	}
	if len(f.workers)+len(f.pipes) != 0 {
		t.Errorf("%d workers and %d pipes are remembered", len(f.workers), len(f.pipes))
	}
	if err := f.Close(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
}

// One sink for both streams gets them in the order they came.
func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	old := unix.Umask(0o022)
	defer unix.Umask(old)
	f, _, _ := testFanin(t, Options{File: name})
	slog.New(f.Handler()).Info("before")
	closeAll(t, f)
	f, out, errs := testFanin(t, Options{File: name})
	log := slog.New(f.Handler())
	for i := range 3 {
		for _, s := range []Stream{Stdout, Stderr} {
			p, w := attach(t, f, uint64(i), s)
			fmt.Fprintf(w, "%v of %d\n", s, i)
			w.Close()
			<-p.Done()
		}
		log.Info(fmt.Sprint("own ", i))
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
	want := []string{"before", "stdout of 0", "stderr of 0", "own 0", "stdout of 1", "stderr of 1", "own 1", "stdout of 2", "stderr of 2", "own 2"}
	if !reflect.DeepEqual(got, want) || out.String()+errs.String() != "" {
		t.Errorf("got %q, %q, %q", got, out, errs)
	}
	if st, err := os.Stat(name); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "log")
	f, _, _ := testFanin(t, Options{File: name})
	log := slog.New(f.Handler())
	log.Info("0")
	for i := range 20 {
		if err := os.Rename(name, fmt.Sprintf("%s.%d", name, i)); err != nil {
			t.Fatal(err)
		}
		if err := f.Reopen(); err != nil {
			t.Fatal(err)
		}
		log.Info(fmt.Sprint(i + 1))
	}
	// A failure changes nothing.
	if err := os.Rename(name, name+".20"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); !errors.Is(err, unix.EISDIR) || !strings.Contains(err.Error(), name) {
		t.Errorf("reopen a directory: %v", err)
	}
	log.Info("still")
	closeAll(t, f)
	if err := f.Reopen(); err == nil {
		t.Error("reopened after Close")
	}
	var all []string
	for i := range 21 {
		b, err := os.ReadFile(fmt.Sprintf("%s.%d", name, i))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records(t, string(b)) {
			all = append(all, r.Msg)
			var n int
			if _, err := fmt.Sscan(r.Msg, &n); err == nil && n > i {
				t.Errorf("record %d is in the older file %d", n, i)
			}
		}
	}
	for i := range 21 {
		if all[i] != fmt.Sprint(i) {
			t.Fatalf("records in order of files: %q", all)
		}
	}
	if len(all) != 22 || all[21] != "still" {
		t.Errorf("records %q", all)
	}
	none, _, _ := testFanin(t, Options{})
	if err := none.Reopen(); err != nil {
		t.Errorf("without a file: %v", err)
	}
}

func TestNewErrors(t *testing.T) {
	if _, err := New(Options{File: t.TempDir() + "/no/log"}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/no/log") {
		t.Errorf("a file in no directory: %v", err)
	}
	if _, err := New(Options{BufferBytes: -1}); err == nil {
		t.Error("a negative buffer")
	}
}

func TestNewPipe(t *testing.T) {
	r, w, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer unix.Close(w)
	check := func(fd int, nonblock bool) {
		fl, err1 := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		fdfl, err2 := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err := errors.Join(err1, err2); err != nil || (fl&unix.O_NONBLOCK != 0) != nonblock || fdfl&unix.FD_CLOEXEC == 0 {
			t.Errorf("flags %#x, %#x, %v", fl, fdfl, err)
		}
	}
	check(w, false)
	rc, err := r.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := rc.Control(func(fd uintptr) { check(int(fd), true) }); err != nil {
		t.Error(err)
	}
}

// A grandchild that holds the pipe open does not hold up the end of its parent,
// and nothing the parent wrote is lost.
func TestFinishWithGrandchild(t *testing.T) {
	for range 8 {
		f, out, _ := testFanin(t, Options{})
		p, w := attach(t, f, 1, Stdout)
		want := strings.Repeat("x", 100)
		for range 3000 {
			fmt.Fprintln(w, want)
		}
		p.Finish()
		p.Finish()
		<-p.Done() // w is still open
		closeAll(t, f)
		rs := records(t, out.String())
		if len(rs) != 3000 || rs[2999].Msg != want {
			t.Fatalf("%d records", len(rs))
		}
		if _, err := w.WriteString("late\n"); !errors.Is(err, unix.EPIPE) {
			t.Fatalf("the pipe is still open: %v", err)
		}
	}
}

func TestAttachAfterClose(t *testing.T) {
	f, _, _ := testFanin(t, Options{})
	closeAll(t, f)
	p, w := attach(t, f, 1, Stdout)
	<-p.Done()
	p.Finish()
	if _, err := w.WriteString("late\n"); !errors.Is(err, unix.EPIPE) {
		t.Errorf("write: %v", err)
	}
	if tail := p.Tail(); len(tail) != 0 {
		t.Errorf("tail %q", tail)
	}
}

// Close with pipes that nobody finished reads what is in them.
func TestCloseFinishesPipes(t *testing.T) {
	f, out, _ := testFanin(t, Options{})
	_, w := attach(t, f, 1, Stdout)
	fmt.Fprintln(w, "x")
	closeAll(t, f)
	if rs := records(t, out.String()); len(rs) != 1 || rs[0].Msg != "x" {
		t.Errorf("%+v", rs)
	}
}

// A sink that takes nothing holds Close no longer than its context, and Close
// says how much is lost.
func TestCloseIsBounded(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, overflow := range []Overflow{Drop, Block} {
		f, _, _ := testFanin(t, Options{Stdout: w, BufferBytes: 64 << 10, Overflow: overflow})
		_, in := attach(t, f, 1, Stdout)
		const n = 5000
		for i := range n {
			fmt.Fprintf(in, "%0100d\n", i)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		cancel(cause)
		err := f.Close(ctx)
		var lost *LostError
		if !errors.As(err, &lost) || !errors.Is(err, cause) {
			t.Fatalf("Close: %v", err)
		}
		s := f.Stats()
		if s.Lines != n || s.Lost != lost.Lines || s.Lost+s.Dropped > n+1 /* to say so */ || s.Lost+s.Dropped == 0 {
			t.Errorf("%v: %+v, %v", overflow, s, err)
		}
		if overflow == Block && s.Dropped != 0 {
			t.Errorf("block dropped %d", s.Dropped)
		}
		<-f.out.done // and the writers' goroutines are not stuck
		<-f.err.done
	}
}

func TestTail(t *testing.T) {
	var tl tail
	for i := range 5000 {
		tl.add(Line{Text: fmt.Append(nil, i)})
	}
	got := tl.records()
	if len(got) != tailRecords || got[0] != "4800" || got[199] != "4999" {
		t.Fatalf("%d records, %q", len(got), got)
	}
	for i := range 1000 {
		tl.add(Line{Text: []byte(strings.Repeat(fmt.Sprint(i%10), 10_000))})
		if cap(tl.buf) > 2*tailBytes {
			t.Fatalf("the buffer has grown to %d bytes", cap(tl.buf))
		}
	}
	got = tl.records()
	if len(got) != tailBytes/10_000 || len(got[0]) != 10_000 || got[0][0] != '4' {
		t.Errorf("%d records, the first %.3s", len(got), got[0])
	}
	tl.add(Line{Text: []byte("why" + strings.Repeat("x", tailBytes))})
	tl.add(Line{Text: []byte("\xff")})
	got = tl.records()
	if last := got[len(got)-2]; len(last) != tailRecord || !strings.HasPrefix(last, "whyx") || !strings.HasSuffix(last, "x [cut]") {
		t.Errorf("a long record has %d bytes, %.5s", len(last), last)
	}
	if got[len(got)-1] != "\ufffd" {
		t.Errorf("not UTF-8: %q", got[len(got)-1])
	}
}

// A named pipe takes the log while somebody reads it; to open one that nobody
// reads must not wait for a reader, who may never come.
func TestTheFileIsANamedPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{File: name}); !errors.Is(err, unix.ENXIO) || !strings.Contains(err.Error(), "nobody reads") {
		t.Fatalf("without a reader: %v", err)
	}
	r, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := New(Options{File: name, Format: JSON})
	if err != nil {
		t.Fatal(err)
	}
	slog.New(f.Handler()).Info("over the pipe")
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || !strings.Contains(string(text), "over the pipe") {
		t.Errorf("%q, %v", text, err)
	}
}
