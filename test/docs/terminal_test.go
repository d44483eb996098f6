package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// patience bounds a page's commands: some compile, on a busy machine.
const patience = 6 * time.Minute

// soon bounds what is waited for without anything to compile.
const soon = time.Minute

// terminal is where one block of commands is run after the other, each by a shell that ends at the first command that
// fails, be it within a pipe, and at a variable that is not set. The directory and what is exported go on to the next.
type terminal struct {
	t      *testing.T
	ctx    context.Context
	env    []string
	dir    string // of its own files
	start  string // the directory of the first block
	group  int    // of all processes that are started in it
	others []*other
}

// other is a terminal in which something goes on.
type other struct {
	at   string
	file string // that has what was printed
	done chan struct{}
	err  error // once that is closed
}

func (o *other) printed() string {
	text, _ := os.ReadFile(o.file)
	return string(text)
}

// open makes a terminal. All that was started in it is gone at the end of the test.
func open(t *testing.T, dir string, env []string) *terminal {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	s := &terminal{t: t, ctx: ctx, env: env, dir: t.TempDir(), start: dir}
	// It holds the group's number, and so is the last of it that is waited for.
	holder := exec.CommandContext(context.WithoutCancel(ctx), "sleep", "infinity") // ended below
	holder.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	s.group = holder.Process.Pid
	t.Cleanup(func() {
		cancel()
		_ = syscall.Kill(-s.group, syscall.SIGKILL)
		for _, o := range s.others {
			<-o.done
		}
		_ = holder.Wait()
	})
	return s
}

// shell makes a command of commands, which begin where the last block has ended. What it prints goes into the file, which
// no process that goes on in the background keeps from being read.
func (s *terminal) shell(commands, file string) (*exec.Cmd, error) {
	out, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { _ = out.Close() })
	script := fmt.Sprintf("set -euo pipefail\n[ ! -e '%[1]s' ] || . '%[1]s'\n%[2]s\n", s.state(), commands)
	cmd := exec.CommandContext(s.ctx, "bash", "--norc", "--noprofile", "-c", script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.start, s.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: s.group}
	return cmd, nil
}

// state is the file with the directory and the exports that the last block has left.
func (s *terminal) state() string { return filepath.Join(s.dir, "state") }

// do runs commands to their end, and gives what they print.
func (s *terminal) do(commands string) (printed string, err error) {
	s.t.Helper()
	file := filepath.Join(s.dir, "printed")
	cmd, err := s.shell(fmt.Sprintf("%s\n{ export -p; printf 'cd %%q\\n' \"$PWD\"; } >'%s'", commands, s.state()), file)
	if err != nil {
		s.t.Fatal(err)
	}
	err = cmd.Run()
	if s.ctx.Err() != nil {
		err = s.ctx.Err()
	}
	text, bad := os.ReadFile(file)
	if bad != nil {
		s.t.Fatal(bad)
	}
	return string(text), err
}

// beside runs commands in another terminal that is in the same directory.
func (s *terminal) beside(at, commands string) {
	s.t.Helper()
	o := &other{at: at, file: filepath.Join(s.dir, fmt.Sprintf("beside-%d", len(s.others))), done: make(chan struct{})}
	cmd, err := s.shell(commands, o.file) // where it goes, and what it exports, is its own
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		o.err = cmd.Wait()
		close(o.done)
	}()
	s.others = append(s.others, o)
}

// follow does what a page says, in its order. What goes on beside must have ended well when the page does.
func (s *terminal) follow(path string, own addresses) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		s.t.Fatal(err)
	}
	ran := 0
	all := blocks(string(text))
	for i, b := range all {
		at, began := fmt.Sprintf("%s:%d", path, b.line), time.Now()
		var want expected
		if i+1 < len(all) && all[i+1].prints() == isPrinted {
			if want, err = expect(all[i+1]); err != nil {
				s.fail("%s:%d: %v", path, all[i+1].line, err)
			}
		}
		switch {
		case b.mark == isRun:
			printed, err := s.do(own.here(b.content))
			printed = own.there(printed)
			if err != nil {
				s.fail("%s: %v, after\n%s", at, err, printed)
			}
			if line := want.missing(printed); line != "" {
				s.fail("%s does not print %q but\n%s", at, line, printed)
			}
		case b.mark == isUntil:
			var printed string
			ctx, cancel := context.WithTimeout(s.ctx, soon)
			err := harness.Poll(ctx, at, func() bool {
				var err error
				printed, err = s.do(own.here(b.content))
				printed = own.there(printed)
				return err == nil && want.missing(printed) == ""
			})
			cancel()
			if err != nil {
				s.fail("%v: it does not print %q but\n%s", err, want.missing(printed), printed)
			}
		case b.mark == isOpen:
			s.beside(at, own.here(b.content))
		case b.prints() == isThere:
			s.there(at, b, own)
		default:
			continue
		}
		ran++
		s.t.Logf("%s: %v", at, time.Since(began).Round(time.Millisecond))
	}
	for _, o := range s.others {
		select {
		case <-o.done:
			if o.err != nil {
				s.fail("%s: %v", o.at, o.err)
			}
		case <-s.ctx.Done():
			s.fail("%s goes on at the end of the page", o.at)
		}
	}
	if ran == 0 {
		s.t.Errorf("%s has nothing that is run", path)
	}
}

// there waits until the terminal that was opened last has printed a block.
func (s *terminal) there(at string, b block, own addresses) {
	s.t.Helper()
	if len(s.others) == 0 {
		s.fail("%s: there is no other terminal", at)
	}
	o := s.others[len(s.others)-1]
	want, err := expect(b)
	if err != nil {
		s.fail("%s: %v", at, err)
	}
	ctx, cancel := context.WithTimeout(s.ctx, 2*soon) // it may be built first
	defer cancel()
	err = harness.Poll(ctx, at, func() bool { return want.missing(own.there(o.printed())) == "" })
	if err != nil {
		s.fail("%v: %s does not print %q", err, o.at, want.missing(own.there(o.printed())))
	}
}

func (s *terminal) fail(format string, args ...any) {
	s.t.Helper()
	for _, o := range s.others {
		s.t.Logf("%s printed\n%s", o.at, tail(o.printed(), 60))
	}
	s.t.Fatalf(format, args...)
}
