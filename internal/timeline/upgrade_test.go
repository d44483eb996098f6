package timeline

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What an upgrade carries is not written twice, and nothing between is lost.
func TestAnUpgrade(t *testing.T) {
	for name, dir := range map[string]string{"disk": filepath.Join(t.TempDir(), "x"), "memory": ""} {
		t.Run(name, func(t *testing.T) {
			s, _ := open(t, dir, Carried{})
			s.Add(event(1))
			s.Add(event(2))
			list(t, s, Query{})
			was := s.State()
			finish(t, s) // the disk has more than was known at that moment
			if dir != "" && len(was.Events) > 0 {
				was.Events = slices.Clone(was.Events)
			}
			next, _ := open(t, dir, was)
			next.Add(event(3))
			got := list(t, next, Query{})
			ascending(t, got, 3)
			if len(got) != 3 {
				t.Errorf("%+v", got)
			}
			finish(t, next)
			if dir != "" {
				if got, skipped, err := Read(dir); err != nil || skipped != 0 || !slices.Equal(seqs(got), []uint64{1, 2, 3}) {
					t.Errorf("%v, %d, %v", seqs(got), skipped, err)
				}
			}
		})
	}
	// One that comes before the disk was read: numbers are not final yet.
	dir := filepath.Join(t.TempDir(), "early")
	first, _ := open(t, dir, Carried{})
	first.Add(event(1))
	finish(t, first)
	s := New(dir, Options{})
	s.Add(event(2))
	was := s.State()
	if !was.Apart || len(was.Events) != 1 {
		t.Fatalf("%+v", was)
	}
	next, _ := open(t, dir, was)
	got := list(t, next, Query{})
	if !slices.Equal(seqs(got), []uint64{1, 2, 3}) || got[1].Kind != SupervisorLost || got[2].Worker != 2 {
		t.Errorf("%+v", got)
	}
}

// life writes n events to a directory, the last of which says how it ended.
func life(t *testing.T, dir string, n int, end Kind) {
	t.Helper()
	s, _ := open(t, dir, Carried{})
	for i := range n - 1 {
		s.Add(event(i))
	}
	s.Add(Event{Kind: end, Text: "the end"})
	finish(t, s)
}

func TestADirectoryThatIsHadLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := filepath.Join(t.TempDir(), "state")
		dir := filepath.Join(state, "timeline", "x")
		life(t, dir, 3, WorkerExited) // and killed
		if err := os.Rename(state, state+".away"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(state, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s, j := open(t, dir, Carried{})
		s.Add(event(11))
		s.Add(event(12))
		if got := list(t, s, Query{}); !slices.Equal(seqs(got), []uint64{1, 2}) {
			t.Errorf("%+v", got)
		}
		sub := s.Subscribe(2)
		defer sub.Close()
		time.Sleep(5 * retry)
		if n := strings.Count(j.String(), "WARN"); n != 1 || strings.Contains(j.String(), "again") {
			t.Errorf("%d warnings:\n%s", n, j)
		}
		if err := errors.Join(os.Remove(state), os.Rename(state+".away", state)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(retry)
		synctest.Wait()
		if n := strings.Count(j.String(), "the timeline is on disk again"); n != 1 {
			t.Error(j)
		}
		s.Add(event(13))
		// Who follows has seen the others, under the numbers they had in memory.
		if got, missed, err := sub.Next(t.Context()); err != nil || missed != 0 || !slices.Equal(seqs(got), []uint64{7}) {
			t.Errorf("%+v, %d missed, %v", got, missed, err)
		}
		inMemory := list(t, s, Query{})
		finish(t, s)
		onDisk, skipped, err := Read(dir)
		if err != nil || skipped != 0 {
			t.Errorf("%d skipped, %v", skipped, err)
		}
		for where, got := range map[string][]Event{"memory": inMemory, "disk": onDisk} {
			ascending(t, got, 7)
			if len(got) != 7 || got[3].Kind != SupervisorLost || got[4].Worker != 11 || got[5].Worker != 12 || got[6].Worker != 13 {
				t.Errorf("in %s: %+v", where, got)
			}
		}
	})
}

// What a program had in memory only goes to the disk that the next one has, whose
// numbers stand.
func TestAnUpgradeToADisk(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, was := range map[string]string{"off": "", "away": filepath.Join(file, "below")} {
		for name, n := range map[string]int{name: 2, name + ", and more than memory takes": inMemory + 2} {
			t.Run(name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "x")
				life(t, dir, 5, SupervisorStopped)
				first, _ := open(t, was, Carried{})
				for i := range n {
					first.Add(event(i + 100))
				}
				carried, err := json.Marshal(first.State())
				if err != nil {
					t.Fatal(err)
				}
				var c Carried
				if err := json.Unmarshal(carried, &c); err != nil {
					t.Fatal(err)
				}
				next, _ := open(t, dir, c)
				drained(t, next) // or memory has one less for the disk
				next.Add(event(1))
				inMemory := list(t, next, Query{})
				finish(t, next)
				onDisk, skipped, err := Read(dir)
				if err != nil || skipped != 0 {
					t.Errorf("%d skipped, %v", skipped, err)
				}
				for where, got := range map[string][]Event{"memory": inMemory, "disk": onDisk} {
					rest := got[5:]
					if n > 2 {
						if e := rest[0]; e.Kind != Missing || !strings.HasPrefix(e.Text, "2 events are missing here") {
							t.Errorf("in %s: %+v", where, e)
						}
						rest = rest[1:]
					}
					if len(rest) != len(c.Events)+1 || rest[0].Worker != c.Events[0].Worker || got[4].Kind != SupervisorStopped || got[4].Seq >= rest[0].Seq {
						t.Errorf("in %s, %d: %+v", where, len(rest), got[:min(len(got), 8)])
					}
					for i, e := range rest[1:] {
						if e.Seq != rest[i].Seq+1 {
							t.Fatalf("in %s: %d comes after %d", where, e.Seq, rest[i].Seq)
						}
					}
					if end := rest[len(rest)-1]; end.Worker != 1 {
						t.Errorf("in %s: %+v", where, end)
					}
				}
			})
		}
	}
}
