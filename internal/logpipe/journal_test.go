package logpipe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeJournal is the socket that journald has, and reads as strictly.
type fakeJournal struct {
	path string
	conn *net.UnixConn
}

func newJournal(t *testing.T) *fakeJournal {
	t.Helper()
	j := &fakeJournal{path: filepath.Join(t.TempDir(), "socket")}
	j.listen(t)
	return j
}

func (j *fakeJournal) listen(t *testing.T) {
	t.Helper()
	_ = os.Remove(j.path)
	var err error
	if j.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: j.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.conn.Close() })
}

// next is the next record: what it has of each field.
func (j *fakeJournal) next(t *testing.T) map[string]string {
	t.Helper()
	b, oob := make([]byte, 1<<20), make([]byte, 128)
	_ = j.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, oobn, _, _, err := j.conn.ReadMsgUnix(b, oob)
	if err != nil {
		t.Fatal(err)
	}
	b = b[:n]
	if oobn > 0 {
		if n > 0 {
			t.Fatal("a record in two places")
		}
		b = sealedFile(t, oob[:oobn])
	}
	fields := map[string]string{}
	for len(b) > 0 {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			t.Fatalf("a field has no end: %q", b)
		}
		name, value, plain := strings.Cut(string(line), "=")
		b = rest
		if !plain {
			size := binary.LittleEndian.Uint64(b)
			value = string(b[8 : 8+size])
			if b[8+size] != '\n' {
				t.Fatalf("no newline after %d bytes of %s", size, name)
			}
			b = b[9+size:]
		}
		if _, twice := fields[name]; twice || name == "" {
			t.Fatalf("the field %q is there twice, or has no name", name)
		}
		fields[name] = value
	}
	return fields
}

// sealedFile reads what came as a descriptor, as journald would take it.
func sealedFile(t *testing.T, oob []byte) []byte {
	t.Helper()
	ms, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&ms[0])
	if err != nil || len(fds) != 1 {
		t.Fatal(fds, err)
	}
	f := os.NewFile(uintptr(fds[0]), "memfd")
	defer f.Close()
	const want = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err != nil || seals&want != want {
		t.Fatalf("seals %#x, %v", seals, err)
	}
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, st.Size())
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJournalFields(t *testing.T) {
	j := newJournal(t)
	f, out, errs := testFanin(t, Options{Format: Journal, JournalSocket: j.path})
	p, w := attach(t, f, 7, Stdout)
	q, e := attach(t, f, 7, Stderr)
	base := map[string]string{
		"SYSLOG_IDENTIFIER": "tandem", "TANDEM_WORKER": "7", "TANDEM_PID": "4242", "OBJECT_PID": "4242",
		"TANDEM_GENERATION": "2", "TANDEM_STREAM": "stdout", "PRIORITY": "6",
	}
	check := func(change map[string]string) {
		t.Helper()
		got := j.next(t)
		want := map[string]string{}
		for _, m := range []map[string]string{base, change} {
			for k, v := range m {
				want[k] = v
			}
		}
		for k, v := range want {
			if v == "" {
				delete(want, k)
			} else if got[k] != v {
				t.Errorf("%s is %.100q, want %.100q", k, got[k], v)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	fmt.Fprintln(w, "plain")
	check(map[string]string{"MESSAGE": "plain"})
	odd := "bytes \x10\x10n \x10 \xff \x00 = end"
	fmt.Fprintln(w, odd)
	check(map[string]string{"MESSAGE": odd})
	fmt.Fprintln(w, "<3>as systemd reads it")
	check(map[string]string{"MESSAGE": "as systemd reads it", "PRIORITY": "3"})
	fmt.Fprintln(w, "<9>not")
	check(map[string]string{"MESSAGE": "<9>not"})
	long := strings.Repeat("long\x10", 180_000)
	fmt.Fprintln(w, long)
	check(map[string]string{"MESSAGE": long})

	fmt.Fprint(e, "panic: no\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1\n")
	e.Close()
	<-q.Done()
	check(map[string]string{
		"MESSAGE": "panic: no\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1", "PRIORITY": "2", "TANDEM_STREAM": "stderr", "TANDEM_KIND": "panic",
	})
	fmt.Fprint(w, "half")
	w.Close()
	<-p.Done()
	check(map[string]string{"MESSAGE": "half", "TANDEM_PARTIAL": "1"})

	base = map[string]string{"SYSLOG_IDENTIFIER": "tandem", "PRIORITY": "4"}
	slog.New(f.Handler()).Warn("own words", "a", "b c")
	check(map[string]string{"MESSAGE": `own words a="b c"`})
	closeAll(t, f)
	if out.String()+errs.String() != "" {
		t.Errorf("beside the journal: %q %q", out, errs)
	}
}

// A journal that is not there, or goes away, costs no line: stderr takes them as
// text, with one warning, and the journal hears of it when it is back.
func TestJournalThatIsNotThere(t *testing.T) {
	j := newJournal(t)
	j.conn.Close()
	f, _, errs := testFanin(t, Options{Format: Journal, JournalSocket: j.path})
	log := slog.New(f.Handler())
	p, w := attach(t, f, 7, Stderr)
	written := func(n int) {
		t.Helper()
		for f.Stats().Lines < uint64(n) || f.pendingBytes() > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	fmt.Fprint(w, "first\nsecond\n")
	written(2)
	log.Error("own", "x", 1)
	written(2)
	j.listen(t)
	fmt.Fprintln(w, "third")
	if got := j.next(t); got["MESSAGE"] != "the journal works again; 3 records went to stderr meanwhile" || got["PRIORITY"] != "4" {
		t.Errorf("%v", got)
	}
	if got := j.next(t); got["MESSAGE"] != "third" {
		t.Errorf("%v", got)
	}
	j.conn.Close()
	fmt.Fprintln(w, "fourth")
	w.Close()
	<-p.Done()
	closeAll(t, f)
	lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
	for i, want := range []string{
		"supervisor: cannot write the log to the journal: ", "| first", "| second", "| own x=1",
		"supervisor: cannot write the log to the journal: ", "| fourth",
	} {
		if i >= len(lines) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d is not %q:\n%s", i, want, errs)
			break
		}
	}
	if !strings.Contains(errs.String(), "w7") || !strings.Contains(errs.String(), "ERROR | own") {
		t.Errorf("without columns:\n%s", errs)
	}
	if st := f.Stats(); st.Lost+st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}

// A journal that takes nothing is a slow sink, not a stuck supervisor.
func TestJournalThatIsFull(t *testing.T) {
	j := newJournal(t)
	f, _, _ := testFanin(t, Options{Format: Journal, JournalSocket: j.path, BufferBytes: 64 << 10})
	p, w := attach(t, f, 7, Stdout)
	const n = 5000
	for i := range n {
		fmt.Fprintf(w, "%0200d\n", i)
	}
	w.Close()
	<-p.Done()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var lost *LostError
	if err := f.Close(ctx); !errors.As(err, &lost) {
		t.Fatalf("%v", err)
	}
	<-f.out.done // and its writer has been called off
	if st := f.Stats(); st.Lines != n || st.Dropped == 0 || st.Lost == 0 {
		t.Errorf("%+v", st)
	}
}

// Auto takes the journal where stderr is its stream and it can be reached.
func TestAutoFindsTheJournal(t *testing.T) {
	j := newJournal(t)
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	id, _ := identity(file)
	stream := fmt.Sprintf("%d:%d", id[0], id[1])
	for _, tt := range []struct {
		name string
		o    Options
		want Format
	}{
		{"it is", Options{JournalStream: stream, JournalSocket: j.path}, Journal},
		{"another stream", Options{JournalStream: "1:2", JournalSocket: j.path}, JSON},
		{"no variable", Options{JournalSocket: j.path}, JSON},
		{"it cannot be reached", Options{JournalStream: stream, JournalSocket: j.path + "x"}, JSON},
		{"text was asked for", Options{JournalStream: stream, JournalSocket: j.path, Format: Text}, Text},
		{"a file was asked for", Options{JournalStream: stream, JournalSocket: j.path, File: file.Name()}, JSON},
	} {
		tt.o.Stdout, tt.o.Stderr = new(buffer), file
		f, err := New(tt.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.err.sink.format; got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if tt.want == Journal && f.out.sink.format != JSON {
			t.Errorf("stdout is not the journal's, and is %v", f.out.sink.format)
		}
		closeAll(t, f)
	}
}

func FuzzJournalEscape(f *testing.F) {
	f.Add([]byte("a\nb\x10n\x10"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := escaped(nil, b)
		if bytes.IndexByte(e, '\n') >= 0 || !bytes.Equal(unescape(nil, e), b) {
			t.Errorf("%q is %q", b, e)
		}
		journalText(nil, b, epoch)
	})
}
