package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// zombies of a process: children that nobody has reaped.
func zombies(pid int) []int {
	return slices.DeleteFunc(harness.Children(pid), harness.Alive)
}

// daemons finds what the helper's mode of that name has left.
func daemons(s *harness.Supervisor) []int {
	return slices.DeleteFunc(s.Strays(), func(pid int) bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return !strings.HasPrefix(string(b), "sleep")
	})
}

func wait(t *testing.T, s *harness.Supervisor, what string, cond func() bool) {
	t.Helper()
	if err := harness.Poll(within(t), what, cond); err != nil {
		t.Errorf("%v\n%s", err, s.Stderr.Tail(20))
	}
}

// TestGrandchildren: a daemon that a worker has started ends with that worker
// and not with another; orphans are reaped, and that they end with 3 or 4 is
// nothing to the supervisor.
func TestGrandchildren(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, st := serve(ctx, t, 2, foreign(harness.Config{}, "daemons"))
	wait(t, s, "two daemons", func() bool { return len(daemons(s)) == 2 })
	wait(t, s, "the orphans reaped", func() bool { return len(zombies(s.PID)) == 0 })
	before := daemons(s)
	kill(t, st.Workers[0].PID, syscall.SIGKILL)
	wait(t, s, "one daemon gone, and that of the new worker there", func() bool {
		now := daemons(s)
		kept := slices.DeleteFunc(slices.Clone(now), func(pid int) bool { return !slices.Contains(before, pid) })
		return len(now) == 2 && len(kept) == 1
	})
	wait(t, s, "no zombie", func() bool { return len(zombies(s.PID)) == 0 })
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}

// TestProcessOne runs the supervisor as the first process of a pid namespace, as
// in a container.
func TestProcessOne(t *testing.T) {
	needRoot(t)
	if err := exec.Command("unshare", "-pf", "--mount-proc", "true").Run(); err != nil {
		t.Skip("needs the right to make a pid namespace: ", err)
	}
	t.Parallel()
	for name, c := range map[string]struct {
		mode string
		sig  syscall.Signal
		want int
	}{
		"TERM":              {"daemons", syscall.SIGTERM, 0},
		"INT":               {"serve", syscall.SIGINT, 0},
		"QUIT":              {"deaf", syscall.SIGQUIT, 0},
		"a boot that fails": {"boot-exit", 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			s := launch(t, foreign(harness.Config{
				Args:   []string{"--workers", "2"},
				Prefix: []string{"unshare", "-pf", "--mount-proc", "--kill-child"},
			}, c.mode))
			if c.sig != 0 {
				st := ready(ctx, t, s, 2)
				if st.PID != 1 {
					t.Errorf("the supervisor is process %d", st.PID)
				}
				first := harness.Children(s.PID)
				if len(first) != 1 {
					t.Fatalf("children of unshare: %v", first)
				}
				wait(t, s, "no zombie", func() bool { return len(zombies(first[0])) == 0 })
				kill(t, first[0], c.sig)
			}
			exits(ctx, t, s, c.want)
		})
	}
}
