package process

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	again := func(role string, more ...string) (int, error) {
		env := append([]string{"TEST_ROLE=" + role}, more...)
		return syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
			Env: env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setsid: true},
		})
	}
	mark := func() string { return markName + "=" + os.Getenv(markName) }
	// A daemon as they are made: a child that leads a session of its own has a
	// child, and ends.
	workers["daemon"] = func() {
		pid, err := again("middle", mark())
		if err != nil {
			panic(err)
		}
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
	workers["daemon without mark"] = func() {
		pid, err := again("middle")
		if err != nil {
			panic(err)
		}
		_, _ = unix.Wait4(pid, nil, 0, nil)
	}
	workers["middle"] = func() {
		pid, err := again("forever", mark())
		fmt.Println("daemon", pid, err)
	}
	workers["orphans"] = func() { // leaves some that end with 3, a failed boot of gunicorn's
		for range 3 {
			if _, err := again("middle 3"); err != nil {
				panic(err)
			}
		}
		os.Exit(7)
	}
	workers["middle 3"] = func() {
		if _, err := again("exit 3"); err != nil {
			panic(err)
		}
		os.Exit(3)
	}
}

// adopting makes this process the parent of orphans for one test, and reaps them.
// What it returns waits until there is none left.
func adopting(t *testing.T) (reapedAll func()) {
	t.Helper()
	if err := AdoptOrphans(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	seen := &signalling{wrote: make(chan struct{}, 1)}
	go func() {
		defer close(done)
		ReapOrphans(ctx, slog.New(slog.NewTextHandler(seen, &slog.HandlerOptions{Level: slog.LevelDebug})))
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	})
	return func() {
		t.Helper()
		for len(orphans()) > 0 {
			select {
			case <-seen.wrote:
			case <-t.Context().Done():
				t.Fatalf("left: %v", orphans())
			}
		}
	}
}

// signalling is where the log goes: each record may mean that an orphan is gone.
type signalling struct{ wrote chan struct{} }

func (s *signalling) Write(b []byte) (int, error) {
	select {
	case s.wrote <- struct{}{}:
	default:
	}
	return len(b), nil
}

// A session of its own does not save what a worker started from its worker's end.
func TestADaemonDoesNotOutliveItsWorker(t *testing.T) {
	reapedAll := adopting(t)
	out, exit := run(t, "daemon", nil) // returns only once the daemon's copy of the pipe is closed
	if !exit.Clean() || !strings.Contains(out, "daemon ") || !strings.HasSuffix(strings.TrimSuffix(out, "up\n"), "<nil>\n") {
		t.Error(out, exit)
	}
	reapedAll()
}

// One that was meant to outlive it has no mark.
func TestADaemonWithoutTheMarkIsLeftAlone(t *testing.T) {
	reapedAll := adopting(t)
	r, w := pipe()
	defer r.Close()
	p, err := Start(Spec{Exe: self(), Args: []string{"worker"}, Env: []string{"TEST_ROLE=daemon without mark"}, Stdout: w, Stderr: 2, Channel: -1, Umask: -1})
	unix.Close(w)
	if err != nil {
		t.Fatal(err)
	}
	if exit := p.Wait(); !exit.Clean() {
		t.Error(exit)
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "daemon "); ok {
			pid, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			// It is our child by now, so the number is its own until we reap it.
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Errorf("the daemon is gone: %v", err)
			}
		}
	}
	reapedAll()
}

// Orphans are reaped beside workers, and neither takes the end of the other:
// each worker's exit is its own, each orphan is gone.
func TestOrphansAreReapedAndWorkersAreNot(t *testing.T) {
	reapedAll := adopting(t)
	var all sync.WaitGroup
	for range 8 {
		for role, want := range map[string]string{"orphans": "exit status 7", "exit 3": "exit status 3"} {
			all.Go(func() {
				if _, exit := run(t, role, nil); exit.String() != want {
					t.Errorf("%s: %v, want %s", role, exit, want)
				}
			})
		}
	}
	all.Wait()
	reapedAll()
	if left := childrenOf(os.Getpid()); len(left) > 0 {
		t.Errorf("children left: %v", left)
	}
}
