package logpipe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// helpers are what this test binary does as a child.
var helpers = map[string]func(){
	"numbers": numbers,
	"panic":   panics,
	"abort":   waits,
}

func TestMain(m *testing.M) {
	if f := helpers[os.Getenv("TEST_HELPER")]; f != nil {
		f()
		return
	}
	goleak.VerifyTestMain(m)
}

// numbers writes numbered lines on both streams for ever, and counts in shared
// memory each write that has returned.
func numbers() {
	signal.Ignore(syscall.SIGPIPE)
	counts := mapCounts(3)
	var wg sync.WaitGroup
	for s, fd := range []int{1, 2} {
		wg.Go(func() {
			for n := int64(1); ; n++ {
				l := fmt.Appendf(nil, "%s line %d %s\n", Stream(s), n, bytes.Repeat([]byte{'x'}, int(n%97)))
				if _, err := unix.Write(fd, l); err != nil {
					panic(err)
				}
				if counts[s].Store(n); n == 5000 {
					unix.Write(4, []byte{'.'})
				}
			}
		})
	}
	wg.Wait()
}

func mapCounts(fd int) *[2]atomic.Int64 {
	b, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return (*[2]atomic.Int64)(unsafe.Pointer(&b[0]))
}

// panics dies of a Go panic in a goroutine.
func panics() {
	fmt.Fprintln(os.Stderr, "an ordinary line")
	var s []int
	done := make(chan struct{})
	go func() { defer close(done); fmt.Println(s[len(os.Args)+3]) }()
	<-done
	select {}
}

// waits lives until a signal ends it.
func waits() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	fmt.Println("up")
	<-c
}

// child is a helper with its streams attached.
type child struct {
	cmd  *exec.Cmd
	out  *Pipe
	errs *Pipe
}

// start starts the named helper.
func start(t *testing.T, f *Fanin, worker uint64, name string, files ...*os.File) child {
	t.Helper()
	c := child{cmd: exec.Command("/proc/self/exe")}
	c.cmd.Env = append(os.Environ(), "TEST_HELPER="+name, "GORACE=atexit_sleep_ms=0", "GOTRACEBACK=all")
	c.cmd.ExtraFiles = files
	var rs [2]*os.File
	var ws [2]*os.File
	for i := range rs {
		r, w, err := NewPipe()
		if err != nil {
			t.Fatal(err)
		}
		rs[i], ws[i] = r, os.NewFile(uintptr(w), "pipe")
	}
	c.cmd.Stdout, c.cmd.Stderr = ws[0], ws[1]
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ws[0].Close()
	ws[1].Close()
	src := Source{Worker: worker, PID: c.cmd.Process.Pid, Generation: 1}
	c.out, c.errs = f.Attach(src, Stdout, rs[0]), f.Attach(src, Stderr, rs[1])
	return c
}

// finish waits for the end of the child, and of its streams.
func (c child) finish() {
	_ = c.cmd.Wait()
	c.out.Finish()
	c.errs.Finish()
	<-c.out.Done()
	<-c.errs.Done()
}

// buffer is a sink in memory.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// record is a JSON record, ours or a worker's.
type record struct {
	Time, Stream, Msg, Kind, Level, Error string

	Worker     uint64
	PID        int
	Generation int
	Partial    bool
	Part       int
	Dropped    int
	Lost       int
}

// records parses what JSON sinks took. Each line must be an object.
func records(t *testing.T, s string) []record {
	t.Helper()
	var rs []record
	d := json.NewDecoder(strings.NewReader(s))
	for {
		var r record
		if err := d.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("after %d records: %v", len(rs), err)
		}
		rs = append(rs, r)
	}
	if n := strings.Count(s, "\n"); n != len(rs) {
		t.Fatalf("%d lines for %d records", n, len(rs))
	}
	return rs
}

var epoch = time.Date(2026, 11, 22, 17, 59, 54, 123456789, time.UTC)

// testFanin makes a Fanin over buffers with a clock that stands still.
func testFanin(t *testing.T, o Options) (f *Fanin, out, errs *buffer) {
	t.Helper()
	out, errs = new(buffer), new(buffer)
	if o.Stdout == nil {
		o.Stdout = out
	}
	if o.Stderr == nil {
		o.Stderr = errs
	}
	if o.Format == Auto {
		o.Format = JSON
	}
	o.Now = func() time.Time { return epoch }
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close(waiting(t)) })
	return f, out, errs
}

// attach attaches a pipe and gives the end to write to.
func attach(t *testing.T, f *Fanin, worker uint64, s Stream) (*Pipe, *os.File) {
	t.Helper()
	r, fd, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	w := os.NewFile(uintptr(fd), "write end")
	t.Cleanup(func() { w.Close() })
	return f.Attach(Source{Worker: worker, PID: 4242, Generation: 2}, s, r), w
}

// closeAll closes the Fanin, which must lose nothing.
func closeAll(t *testing.T, f *Fanin) {
	t.Helper()
	if err := f.Close(waiting(t)); err != nil {
		t.Fatal(err)
	}
}

// waiting bounds what must happen, so that a test that fails does not hang.
func waiting(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
