package timeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/internal/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string, was Carried) (*Store, *logtest.Log) {
	t.Helper()
	log, j := logtest.New()
	s := New(path, Options{Log: log, Was: was})
	s.Start()
	t.Cleanup(func() { finish(t, s) })
	return s, j
}

func finish(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func event(n int) Event {
	return Event{Kind: WorkerExited, Worker: uint64(n), Cause: "killed by SIGSEGV", Text: fmt.Sprintf("worker %d exited", n)}
}

func list(t *testing.T, s *Store, q Query) []Event {
	t.Helper()
	events, err := s.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func seqs(events []Event) (list []uint64) {
	for _, e := range events {
		list = append(list, e.Seq)
	}
	return list
}

// ascending says that the numbers have no gap, and which the last is.
func ascending(t *testing.T, events []Event, last uint64) {
	t.Helper()
	for i, e := range events {
		if i > 0 && e.Seq != events[i-1].Seq+1 {
			t.Fatalf("event %d comes after %d", e.Seq, events[i-1].Seq)
		}
	}
	if n := len(events); n == 0 || events[n-1].Seq != last {
		t.Fatalf("the last of %d is not %d: %v", n, last, seqs(events[max(0, n-5):]))
	}
}

func TestARestartGoesOnWithTheNumbers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "timeline", "x")
	s, _ := open(t, dir, Carried{})
	s.Add(event(1))
	s.Add(Event{Kind: SupervisorStopped, Text: "stopped"})
	finish(t, s)
	s, _ = open(t, dir, Carried{})
	s.Add(event(2)) // whether or not the disk has been read
	got := list(t, s, Query{})
	ascending(t, got, 3)
	if len(got) != 3 || got[2].Worker != 2 || got[0].Cause != "killed by SIGSEGV" || got[0].Time.IsZero() {
		t.Errorf("%+v", got)
	}
	finish(t, s)
	err := filepath.WalkDir(filepath.Dir(filepath.Dir(dir)), func(path string, e os.DirEntry, err error) error {
		if info, _ := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	// Nobody runs: another process reads the same.
	read, skipped, err := Read(dir)
	if err != nil || skipped != 0 || len(read) != 3 || read[2].Seq != 3 {
		t.Errorf("%+v, %d, %v", read, skipped, err)
	}
	if none, _, err := Read(dir + "-not"); none != nil || err != nil {
		t.Errorf("%v, %v", none, err)
	}
}

// A kill -9 leaves half a line, and a supervisor that has not said that it stops.
func TestATornLine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	s, _ := open(t, dir, Carried{})
	s.Add(event(1))
	s.Add(event(2))
	finish(t, s)
	file := filepath.Join(dir, current)
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, text[:len(text)-20], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, dir, Carried{})
	s.Add(event(3))
	finish(t, s)
	got, skipped, err := Read(dir)
	if err != nil || skipped != 1 || len(got) != 3 || got[0].Worker != 1 || got[1].Kind != SupervisorLost || got[2].Worker != 3 {
		t.Errorf("%+v, %d, %v", got, skipped, err)
	}
}

func TestTheDiskIsBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "x")
	s, _ := open(t, dir, Carried{})
	const n = 9000
	for i := range n {
		e := event(i)
		e.Text = strings.Repeat("x", 300)
		s.Add(e)
		if i%1000 == 0 { // so that none goes out of memory before it is written
			drained(t, s)
		}
	}
	finish(t, s)
	for _, name := range []string{current, older} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Size() > maxFile {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	onDisk, _, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	ascending(t, onDisk, n)
	if len(onDisk) < inMemory+100 {
		t.Errorf("only %d events are on disk", len(onDisk))
	}
	// What memory does not have any more comes from there.
	s, _ = open(t, dir, Carried{})
	ascending(t, list(t, s, Query{}), n+1) // and one says that the one before was lost
	if got := list(t, s, Query{}); got[0].Seq != onDisk[0].Seq {
		t.Errorf("the oldest is %d, on disk %d", got[0].Seq, onDisk[0].Seq)
	}
	if got := list(t, s, Query{After: onDisk[0].Seq, Limit: 3}); !slices.Equal(seqs(got), []uint64{n - 1, n, n + 1}) {
		t.Errorf("%v", seqs(got))
	}
	if got := list(t, s, Query{After: n + 1}); len(got) != 0 {
		t.Errorf("%v", seqs(got))
	}
}

// drained waits until everything is on disk: what comes to State is what is not.
func drained(t *testing.T, s *Store) {
	t.Helper()
	for len(s.State().Events) > 0 {
		select {
		case <-t.Context().Done():
			t.Fatal("the events are not written")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestOneLineAndBounded(t *testing.T) {
	s := New("", Options{})
	s.Add(Event{Kind: State, Cause: "a\nb\x1b[2Jc", Actor: strings.Repeat("ö", 200), Text: strings.Repeat("x", 5000)})
	e := list(t, s, Query{})[0]
	if e.Cause != "a b [2Jc" || len(e.Actor) > maxActor || len(e.Text) > maxText || !strings.HasSuffix(e.Actor, "ö…") {
		t.Errorf("%+v", e)
	}
}

// full is a disk without room, until there is some.
type full struct {
	file
	room *room
}

type room struct {
	mu    sync.Mutex
	bytes int
	tried int
}

func (f full) Write(b []byte) (int, error) {
	f.room.mu.Lock()
	defer f.room.mu.Unlock()
	f.room.tried++
	if n := f.room.bytes; n < len(b) {
		f.room.bytes = 0
		m, err := f.file.Write(b[:n])
		return m, errors.Join(err, &fs.PathError{Op: "write", Path: current, Err: syscall.ENOSPC})
	}
	f.room.bytes -= len(b)
	return f.file.Write(b)
}

func TestAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "x")
		s, j := open(t, dir, Carried{})
		list(t, s, Query{}) // it is open
		r := &room{bytes: 60}
		s.mu.Lock()
		really := s.disk.open
		s.disk.open = func() (file, error) {
			f, err := really()
			return full{f, r}, err
		}
		s.mu.Unlock()
		for i := range 2 * inMemory {
			s.Add(event(i))
			synctest.Wait()
		}
		if n := strings.Count(j.String(), "WARN"); n != 1 || !strings.Contains(j.String(), "no space left on device") || r.tried != 1 {
			t.Errorf("%d warnings, tried %d times:\n%s", n, r.tried, j)
		}
		ascending(t, list(t, s, Query{}), 2*inMemory) // memory goes on
		if c := s.State(); len(c.Events) != inMemory || c.Seq != 2*inMemory || c.Lost != inMemory {
			t.Errorf("an upgrade carries %d events, the last is %d, %d are lost", len(c.Events), c.Seq, c.Lost)
		}
		r.mu.Lock()
		r.bytes = 1 << 30
		r.mu.Unlock()
		time.Sleep(retry + time.Second)
		finish(t, s)
		if !strings.Contains(j.String(), "on disk again") {
			t.Error(j)
		}
		onDisk, skipped, err := Read(dir)
		if err != nil || skipped != 1 {
			t.Errorf("%d skipped, %v", skipped, err)
		}
		ascending(t, onDisk, 2*inMemory)
		// It stands where they would, with the number of the last of them.
		first := onDisk[0]
		if want := fmt.Sprintf("%d events are missing here", inMemory); first.Kind != Missing || !strings.Contains(first.Text, want) || !strings.Contains(first.Cause, "no space left") || len(onDisk) != inMemory+1 {
			t.Errorf("%d on disk, the first: %+v", len(onDisk), first)
		}
		if first.Time.After(onDisk[1].Time) {
			t.Errorf("%s comes before %s", first.Time, onDisk[1].Time)
		}
	})
}

func TestADirectoryThatCannotBeHad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, j := open(t, filepath.Join(file, "below"), Carried{})
	s.Add(event(1))
	if got := list(t, s, Query{}); len(got) != 1 || got[0].Seq != 1 {
		t.Errorf("%+v", got)
	}
	finish(t, s)
	if n := strings.Count(j.String(), "kept in memory only"); n != 1 || !strings.Contains(j.String(), "--state-dir") {
		t.Error(j)
	}
	if c := s.State(); c.Seq != 1 || len(c.Events) != 1 {
		t.Errorf("%+v", c)
	}
}

func TestPick(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	var all []Event
	for i := 1; i <= 5; i++ {
		all = append(all, Event{Seq: uint64(i), Time: at(10 * i)})
	}
	for _, tc := range []struct {
		q    Query
		want []uint64
	}{
		{Query{}, []uint64{1, 2, 3, 4, 5}},
		{Query{After: 3}, []uint64{4, 5}},
		{Query{Limit: 2}, []uint64{4, 5}},
		{Query{After: 1, Limit: 9}, []uint64{2, 3, 4, 5}},
		{Query{Since: at(30)}, []uint64{3, 4, 5}},
		{Query{Since: at(30), Limit: 1}, []uint64{5}},
		{Query{Since: at(99)}, nil},
	} {
		if got := seqs(tc.q.Pick(all)); !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %v, want %v", tc.q, got, tc.want)
		}
	}
}
