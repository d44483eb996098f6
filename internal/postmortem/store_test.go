package postmortem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string, was State) (*Store, *logtest.Log) {
	t.Helper()
	log, said := logtest.New()
	s := New(dir, Options{Log: log, Was: was})
	s.Start()
	return s, said
}

// still gives a store whose goroutine is the test.
func still(t *testing.T, dir string) (*Store, *logtest.Log) {
	t.Helper()
	log, said := logtest.New()
	s := New(dir, Options{Log: log})
	s.load()
	t.Cleanup(func() {
		if s.folder != nil {
			s.folder.Close()
		}
	})
	return s, said
}

func finish(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func death(worker uint64, text string) Record {
	return Record{
		Time: time.Unix(1_800_000_000+int64(worker), 0).UTC(), Worker: worker, PID: 1000 + int(worker), Generation: 1,
		Command: []string{"app"}, Cause: Cause{Class: ClassExit, Text: text}, State: "ready",
		Requests: []Request{}, Lines: []Line{{"stderr", "last words: " + text}},
	}
}

func TestRecordsOutliveTheStore(t *testing.T) {
	dir := Directory(t.TempDir(), "/run/s.sock")
	s, log := open(t, dir, State{})
	s.Add(death(7, "exit status x"))
	s.Add(death(8, "exit status y"))
	finish(t, s)
	for name, want := range map[string]os.FileMode{".": 0o700, "20270115-080007-w7.json": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	again, _ := open(t, dir, State{})
	again.Add(death(9, "exit status z"))
	finish(t, again)
	list := again.List()
	if len(list.Records) != 3 || list.Records[0].Worker != 9 || list.Records[2].Worker != 7 || list.Directory != dir || list.Problem != "" {
		t.Fatalf("%+v", list)
	}
	if list.Records[2].Lines != nil {
		t.Error("a list carries the lines")
	}
	records, skipped, err := Read(dir)
	if err != nil || len(skipped) != 0 || len(records) != 3 || records[0].Worker != 9 || records[2].Lines[0].Text != "last words: exit status x" {
		t.Errorf("%+v, %v, %v", records, skipped, err)
	}
	if log.String() != "" {
		t.Error(log)
	}
}

func TestGet(t *testing.T) {
	s, _ := still(t, t.TempDir())
	s.take(death(7, "x"))
	if !s.flush() {
		t.Fatal("not written")
	}
	s.take(death(70, "y")) // in memory so far
	for which, worker := range map[string]uint64{"7": 7, "w70": 70, "20270115-080007-w7": 7} {
		if r, err := s.Get(which); err != nil || r.Worker != worker || len(r.Lines) != 1 {
			t.Errorf("%s: %+v, %v", which, r, err)
		}
	}
	for _, which := range []string{"8", "", "w", "../x", "20270115"} {
		if r, err := s.Get(which); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %+v, %v", which, r, err)
		}
	}
}

// A worker that dies of the same thing again is counted: a storm writes one
// file.
func TestRepeatsAreCounted(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir, State{})
	for n := range uint64(50) {
		r := death(n+1, "exit status x")
		r.Lines[0].Text = fmt.Sprintf("cannot bind 0x%x after %d ms", n, n)
		s.Add(r)
	}
	other := death(60, "exit status x")
	other.Requests = []Request{{Method: "GET", Route: "/"}}
	s.Add(other)
	old := death(61, "exit status x")
	old.Lines[0].Text = "cannot bind 0x0 after 3 ms"
	old.Time = old.Time.Add(2 * repeatWindow)
	s.Add(old)
	finish(t, s)
	records, _, err := Read(dir)
	if err != nil || len(records) != 3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	first := records[2]
	if first.Count != 50 || first.Worker != 1 || len(first.Repeats) != maxRepeats || first.Repeats[maxRepeats-1].Worker != 50 || len(first.Lines) != 1 {
		t.Errorf("%+v", first)
	}
	if i := Find(records, "50"); i != 2 {
		t.Errorf("the last of them is found at %d", i)
	}
}

// The streams of a worker are read side by side: in which order a line of one and a line of
// the other come is no difference between two deaths.
func TestTheOrderOfTheStreamsIsNoDifference(t *testing.T) {
	out, a, b := Line{"stdout", "told to exit"}, Line{"stderr", "serving"}, Line{"stderr", "going"}
	key := func(lines ...Line) string { return (&Record{Lines: lines}).key() }
	want := key(out, a, b)
	for _, lines := range [][]Line{{a, out, b}, {a, b, out}} {
		if key(lines...) != want {
			t.Errorf("%v is of another kind", lines)
		}
	}
	if key(out, b, a) == want {
		t.Error("the order within a stream makes no difference either")
	}
}

// More of a kind after a restart is counted in the file that is there.
func TestARepeatAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir, State{})
	s.Add(death(1, "x"))
	finish(t, s)
	s, _ = open(t, dir, State{})
	s.Add(death(2, "x"))
	finish(t, s)
	records, _, err := Read(dir)
	if err != nil || len(records) != 1 || records[0].Count != 2 || len(records[0].Lines) != 1 {
		t.Errorf("%+v, %v", records, err)
	}
}

// A storm of deaths that differ is bounded in number, and what is left out is
// counted.
func TestAStormIsBounded(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir, State{})
	const all = 300
	for n := range uint64(all) {
		s.Add(death(n, "exit of kind "+strings.Repeat("x", int(n))))
	}
	finish(t, s)
	list := s.List()
	if len(list.Records) > burst+1 || len(list.Records) < 1 || len(list.Records)+int(list.Dropped) != all {
		t.Errorf("%d records and %d dropped of %d", len(list.Records), list.Dropped, all)
	}
}

func TestTheOldestGo(t *testing.T) {
	dir := t.TempDir()
	now := time.Unix(0, 0)
	s := New(dir, Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { now = now.Add(refill); return now }})
	s.Start()
	const all = maxRecords + 7
	for n := range uint64(all) {
		s.queue <- death(n, strings.Repeat("x", int(n))) // one by one, as Add would if it waited
	}
	finish(t, s)
	records, _, err := Read(dir)
	if err != nil || len(records) != maxRecords || records[0].Worker != all-1 || records[maxRecords-1].Worker != 7 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func TestLongRecordsAreBounded(t *testing.T) {
	r := death(1, strings.Repeat("x", 10*maxText))
	for range 2_000 {
		r.Requests = append(r.Requests, Request{Method: "GET", Route: "/"})
		r.Lines = append(r.Lines, Line{"stdout", strings.Repeat("\x00", 1000)})
		r.Command = append(r.Command, "--argument")
	}
	r.Dump = &Dump{}
	for range 3 {
		r.Dump.Groups = append(r.Dump.Groups, Group{Count: 5, Stack: strings.Repeat("\x01", 500<<10)})
	}
	r.bound()
	if r.size() > maxFile || len(r.Lines) > maxLines || len(r.Requests) != maxRequests || r.RequestsOmitted != 2_000-maxRequests ||
		len(r.Cause.Text) > maxText || len(r.Command) > maxCommand/5 {
		t.Errorf("%d bytes, %d lines, %d requests, %d arguments", r.size(), len(r.Lines), len(r.Requests), len(r.Command))
	}
	if len(r.Dump.Groups) != 1 || r.Dump.OmittedGoroutines != 10 {
		t.Errorf("%d groups, %d left out", len(r.Dump.Groups), r.Dump.OmittedGoroutines)
	}
}

func TestDamagedFilesAreSkippedAndSaid(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir, State{})
	s.Add(death(7, "x"))
	finish(t, s)
	for name, text := range map[string]string{
		"a.json": "", "b.json": `{"version":1,"id":"b"`, "c.json": `{"version":99,"id":"c"}`, "d.json": `{"version":1,"id":"other"}`,
		"half.tmp": "{", "e.json": strings.Repeat(" ", maxFile+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "f.json")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "g.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, log := open(t, dir, State{})
	finish(t, s)
	if n := len(s.List().Records); n != 1 {
		t.Errorf("%d records", n)
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		if !strings.Contains(log.String(), name+".json") {
			t.Errorf("%s.json was skipped without a word:\n%s", name, log)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "half.tmp")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a crash left is still there: %v", err)
	}
}

func TestNothingOnDisk(t *testing.T) {
	s, log := open(t, "", State{})
	s.Add(death(1, "x"))
	finish(t, s)
	if r, err := s.Get("1"); err != nil || len(r.Lines) != 1 || log.String() != "" || s.List().Problem != "" {
		t.Errorf("%+v, %v, %s", r, err, log)
	}
}

// What could not be written goes over with an upgrade.
func TestStateGoesOver(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, "", State{})
	s.Add(death(1, "x"))
	s.Add(death(2, "y"))
	state := s.State()
	finish(t, s)
	if len(state.Records) != 2 {
		state = s.State()
	}
	next, _ := open(t, dir, state)
	finish(t, next)
	again, _ := open(t, dir, state) // what is on disk already does not come twice
	finish(t, again)
	records, _, err := Read(dir)
	if err != nil || len(records) != 2 || len(again.List().Records) != 2 || len(records[0].Lines) != 1 {
		t.Errorf("%+v, %v", records, err)
	}
}

func TestCloseDoesNotWaitForADisk(t *testing.T) {
	s := New("", Options{}) // nobody runs it, as if the disk stood still
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); err == nil {
		t.Error("it says that all is written")
	}
}

func TestAddNeverWaits(t *testing.T) {
	s := New("", Options{}) // nobody takes them
	for n := range uint64(queueLength + 10) {
		s.Add(death(n, "x"))
	}
	if got := s.List().Dropped; got != 10 {
		t.Errorf("%d dropped", got)
	}
}

// A directory that is had later has what was in memory by then.
func TestADirectoryThatIsHadLater(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(state, "postmortem", "x")
	s, log := still(t, dir)
	s.take(death(1, "x"))
	for range 2 {
		if s.flush() {
			t.Fatal("written to a directory that is not there")
		}
	}
	if n := strings.Count(log.String(), "WARN"); n != 1 || !strings.Contains(s.List().Problem, "--state-dir") {
		t.Errorf("%d warnings:\n%s", n, log)
	}
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	if !s.flush() || s.List().Problem != "" || s.List().Directory != dir || strings.Count(log.String(), "on disk again") != 1 {
		t.Errorf("it is there: %+v\n%s", s.List(), log)
	}
	if records, _, err := Read(dir); err != nil || len(records) != 1 {
		t.Errorf("%+v, %v", records, err)
	}
}

// A disk that is full: records stay in memory, one warning; when there is room
// again they are written.
func TestAFullDisk(t *testing.T) {
	mount := t.TempDir()
	if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mount, 0); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(mount, "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(mount, "filler")
	if err := os.WriteFile(filler, bytes.Repeat([]byte("x"), 1<<20), 0o600); err == nil {
		t.Skip("this tmpfs has no limit")
	}
	s, log := still(t, dir)
	for n := range uint64(3) {
		s.take(death(n, strings.Repeat("x", int(n)+1)))
		if s.flush() {
			t.Fatal("written to a disk that is full")
		}
	}
	if n := strings.Count(log.String(), "WARN"); n != 1 || !strings.Contains(log.String(), "no space left") {
		t.Errorf("%d warnings:\n%s", n, log)
	}
	list := s.List()
	if len(list.Records) != 3 || !strings.Contains(list.Problem, "no space left") {
		t.Errorf("%+v", list)
	}
	if r, err := s.Get("2"); err != nil || len(r.Lines) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if !s.flush() || s.List().Problem != "" || !strings.Contains(log.String(), "on disk again") {
		t.Errorf("there is room again:\n%s", log)
	}
	if records, _, err := Read(dir); err != nil || len(records) != 3 {
		t.Errorf("%+v, %v", records, err)
	}
}
