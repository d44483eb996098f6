package arbiter

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what the scripts in testdata now give")

// script replays a prose-like file: lines of events, and below each, indented,
// the actions that followed.
//
//	# a comment
//	settings workers=2 bake=1s
//	start
//	  0s     spawn 1 of generation 1
//	ready 1 2            one Step for each worker
//	wait 2s              time passes, with a Tick at each deadline
//	sleep 2m             time passes for which nobody is awake
//	status               prints the snapshot
type script struct {
	core  *Core
	now   time.Time
	epoch time.Time
	out   bytes.Buffer
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(f, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s differs (-update rewrites it; read the diff):\n%s", f, firstDifference(string(want), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			return fmt.Sprintf("line %d, want:\n%s\ngot:\n%s", i+1,
				strings.Join(w[min(i, len(w)):min(i+6, len(w))], "\n"), strings.Join(g[min(i, len(g)):min(i+6, len(g))], "\n"))
		}
	}
	return ""
}

func replay(t *testing.T, text string) string {
	t.Helper()
	epoch := time.Unix(0, 0).UTC()
	s := &script{epoch: epoch, now: epoch}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue // what followed; written anew
		}
		fmt.Fprintln(&s.out, line)
		if line == "" || line[0] == '#' {
			continue
		}
		if err := s.line(line); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	}
	return s.out.String()
}

func (s *script) line(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	word, reason, _ := strings.Cut(rest, " ")
	words := strings.Fields(rest)
	if s.core == nil {
		if verb != "settings" {
			return fmt.Errorf("a script begins with settings")
		}
		set, err := parseSettings(scriptSettings, words)
		s.core = New(set, 1)
		return err
	}
	number, numberErr := strconv.Atoi(word)
	id, gen := WorkerID(number), Generation(number)
	switch verb {
	case "wait", "sleep":
		d, err := time.ParseDuration(word)
		if err != nil {
			return err
		}
		s.pass(d, verb == "sleep")
		return nil
	case "start":
		s.step(Start{})
		return nil
	case "stop":
		s.step(Stop{})
		return nil
	case "quick-stop":
		s.step(Stop{Quick: true})
		return nil
	case "status":
		s.status()
		return nil
	case "ready", "beat", "speaks", "stopping", "suspended", "resumed", "stalled", "unstalled":
		for _, word := range words {
			n, err := strconv.ParseUint(word, 10, 64)
			if err != nil {
				return err
			}
			id := WorkerID(n)
			s.step(map[string]Event{
				"ready": WorkerReady{id}, "beat": Beat{id}, "speaks": Spoke{id}, "stopping": WorkerStopping{id},
				"suspended": Suspended{id}, "resumed": Resumed{id}, "stalled": Stalled{id, true}, "unstalled": Stalled{id, false},
			}[verb])
		}
		return nil
	}
	if numberErr != nil && (verb != "reload" && verb != "restore" || word != "") {
		return numberErr
	}
	switch verb {
	case "exited":
		s.step(Exited{ID: id, Reason: reason})
	case "oom", "waits":
		cause := map[string]Cause{"oom": CauseOOM, "waits": CauseWait}[verb]
		s.step(Exited{id, reason, cause})
	case "extend":
		by, err := time.ParseDuration(reason)
		if err != nil {
			return err
		}
		s.step(ExtendTimeout{id, by})
	case "recycle":
		s.step(Recycle{id, reason})
	case "restore": // an upgrade: another core goes on
		core, err := again(s.core, s.now, s.now)
		if err != nil {
			return err
		}
		s.core = core
		return nil
	case "failed":
		s.step(SpawnFailed{ID: id, Reason: reason})
	case "missing":
		s.step(SpawnFailed{id, reason, true})
	case "reload":
		s.step(Reload{uint64(number)})
	case "prepared":
		e := Prepared{Generation: gen}
		settings := scriptSettings
		if s.core.roll != nil {
			settings = s.core.cfg
		}
		settings.Workers = 0
		var err error
		if e.Settings, err = parseSettings(settings, words[1:]); err != nil {
			return err
		}
		e.Workers = e.Settings.Workers
		s.step(e)
	case "unprepared":
		s.step(PrepareFailed{gen, reason})
	case "scale":
		s.step(Scale{number})
	case "scale-by":
		s.step(ScaleBy{number})
	default:
		return fmt.Errorf("unknown event")
	}
	return nil
}

// scriptSettings is what a script need not say.
var scriptSettings = Settings{
	Workers: 2, Surge: 1, BootTimeout: 30 * time.Second, Timeout: 30 * time.Second,
	GracefulTimeout: 30 * time.Second, Bake: time.Second,
}

func (s *script) step(ev Event) {
	for _, a := range s.core.Step(s.now, ev) {
		fmt.Fprintf(&s.out, "  %-7v %s\n", s.since(s.now), s.show(a))
	}
}

func (s *script) since(t time.Time) time.Duration { return t.Sub(s.epoch).Round(time.Millisecond) }

func (s *script) pass(d time.Duration, asleep bool) {
	until := s.now.Add(d)
	for next := s.core.NextDeadline(); !asleep && !next.IsZero() && !next.After(until); next = s.core.NextDeadline() {
		s.now = next
		s.step(Tick{})
	}
	s.now = until
	if asleep {
		s.step(Tick{})
	}
}

func (s *script) status() {
	sn := s.core.Snapshot()
	fmt.Fprintf(&s.out, "  %-7v %v, %d wanted of generation %d", s.since(s.now), sn.Phase, sn.Wanted, sn.Generation)
	if l := sn.LastReload; l.Generation != 0 {
		fmt.Fprintf(&s.out, ", last reload %d ok=%v %s", l.Generation, l.OK, l.Reason)
	}
	fmt.Fprintln(&s.out)
	for _, w := range sn.Workers {
		fmt.Fprintf(&s.out, "          %d: generation %d, %v, liveness %s", w.ID, w.Generation, w.State, w.Liveness)
		if w.Stopped {
			fmt.Fprint(&s.out, ", stopped")
		}
		if w.Recycle != "" {
			fmt.Fprintf(&s.out, ", to be recycled: %s", w.Recycle)
		}
		fmt.Fprintln(&s.out)
	}
}

// show tells an action in words.
func (s *script) show(a Action) string {
	switch a := a.(type) {
	case Spawn:
		return fmt.Sprintf("spawn %d of generation %d", a.ID, a.Generation)
	case Drain:
		return fmt.Sprintf("drain %d", a.ID)
	case Wake:
		return fmt.Sprintf("wake %d", a.ID)
	case Interrupt:
		return fmt.Sprintf("interrupt %d", a.ID)
	case Abort:
		return fmt.Sprintf("abort %d: %s", a.ID, a.Reason)
	case Kill:
		return fmt.Sprintf("kill %d: %s", a.ID, a.Reason)
	case Prepare:
		return fmt.Sprintf("prepare generation %d", a.Generation)
	case Release:
		return fmt.Sprintf("release generation %d", a.Generation)
	case ReloadDone:
		if a.Reason == "" {
			return fmt.Sprintf("reload to %d done, tickets %v", a.Generation, a.Tickets)
		}
		return fmt.Sprintf("reload to %d failed, tickets %v, worker %d: %s", a.Generation, a.Tickets, a.Worker, a.Reason)
	case Refuse:
		return "refuse new connections"
	case Exit:
		return fmt.Sprintf("exit %d: %s", a.Code, a.Reason)
	case Degraded:
		if a.On {
			return "degraded: " + a.Why
		}
		return "no longer degraded"
	case Backoff:
		return fmt.Sprintf("back off until %v, failures %d", s.since(a.Until), a.Failures)
	case Stuck:
		return fmt.Sprintf("stuck %d: killed %v ago", a.ID, a.Since)
	case ClockJump:
		return fmt.Sprintf("clock jump: %v late", a.Late)
	}
	return fmt.Sprintf("%T%+v", a, a)
}
