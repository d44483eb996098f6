package docs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// patience bounds a page's commands: some compile, on a busy machine.
const patience = 6 * time.Minute

// terminal is a shell that is given one block of commands after the other.
type terminal struct {
	t      *testing.T
	ctx    context.Context
	env    []string
	dir    string // of its files
	cmd    *exec.Cmd
	in     io.WriteCloser
	screen *screen
	others []*other
}

// other is a terminal in which something goes on.
type other struct {
	at     string
	screen *screen
	done   chan error
}

// screen is what was printed, and a way to hear of more.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newScreen() *screen { return &screen{more: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// open starts a shell. All that it and those beside it have started is gone at the end of the test.
func open(t *testing.T, dir string, env []string) *terminal {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	s := &terminal{t: t, ctx: ctx, env: env, dir: t.TempDir(), screen: newScreen()}
	s.cmd = s.start(dir, s.screen, "bash", "--norc", "--noprofile")
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.in.Close()
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		_ = s.cmd.Wait()
	})
	return s
}

// start makes a command in a process group of its own.
func (s *terminal) start(dir string, out io.Writer, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.ctx, name, args...)
	cmd.Dir, cmd.Env = dir, s.env
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// do runs commands to their end, and gives what they print and the status of the last that has failed.
func (s *terminal) do(commands string) (printed string, err error) {
	s.t.Helper()
	file := filepath.Join(s.dir, "commands")
	if err := os.WriteFile(file, []byte(commands), 0o600); err != nil {
		s.t.Fatal(err)
	}
	before := len(s.screen.String())
	const end = "\x00end "
	fmt.Fprintf(s.in, "failed=0; trap 'failed=$?' ERR; source %s </dev/null; trap - ERR; printf '\\0end %%d\\n' $failed\n", file)
	for {
		text := s.screen.String()[before:]
		if printed, status, ok := strings.Cut(text, end); ok && strings.HasSuffix(status, "\n") {
			if status != "0\n" {
				return printed, errors.New("exit status " + strings.TrimSpace(status))
			}
			return printed, nil
		}
		select {
		case <-s.screen.more:
		case <-s.ctx.Done():
			return text, s.ctx.Err()
		}
	}
}

// beside runs commands in another terminal that is in the same directory.
func (s *terminal) beside(at, commands string) {
	s.t.Helper()
	where, err := s.do("pwd\n")
	if err != nil {
		s.t.Fatal(err)
	}
	o := &other{at: at, screen: newScreen(), done: make(chan error, 1)}
	cmd := s.start(strings.TrimSpace(where), o.screen, "bash", "-e", "-c", commands)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { o.done <- cmd.Wait() }()
	s.others = append(s.others, o)
	s.t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
}

// follow does what a page says, in its order. What goes on beside must have ended well when the page does.
func (s *terminal) follow(path string, own *strings.Replacer) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", path))
	if err != nil {
		s.t.Fatal(err)
	}
	ran := 0
	all := blocks(string(text))
	for i, b := range all {
		at := fmt.Sprintf("%s:%d", path, b.line)
		var want string
		if i+1 < len(all) && all[i+1].mark == isPrinted {
			want = all[i+1].content
		}
		switch b.mark {
		case isRun:
			printed, err := s.do(own.Replace(b.content))
			if err != nil {
				s.fail("%s: %v, after\n%s", at, err, printed)
			}
			if line := missing(printed, want, own); line != "" {
				s.fail("%s does not print %q but\n%s", at, line, printed)
			}
			ran++
		case isUntil:
			var printed string
			err := harness.Poll(s.ctx, at, func() bool {
				var err error
				printed, err = s.do(own.Replace(b.content))
				return err == nil && missing(printed, want, own) == ""
			})
			if err != nil {
				s.fail("%v: it does not print %q but\n%s", err, missing(printed, want, own), printed)
			}
			ran++
		case isOpen:
			s.beside(at, own.Replace(b.content))
			ran++
		}
	}
	for _, o := range s.others {
		select {
		case err := <-o.done:
			if err != nil {
				s.fail("%s: %v", o.at, err)
			}
		case <-s.ctx.Done():
			s.fail("%s goes on at the end of the page", o.at)
		}
	}
	if ran == 0 {
		s.t.Errorf("%s has nothing that is run", path)
	}
}

func (s *terminal) fail(format string, args ...any) {
	s.t.Helper()
	for _, o := range s.others {
		s.t.Logf("%s printed\n%s", o.at, tail(o.screen.String(), 60))
	}
	s.t.Fatalf(format, args...)
}

// changing is what differs from run to run: numbers, with what they are of, and how far columns are apart.
var changing = regexp.MustCompile(`\d+(\.\d+)?((µs|ms|s|m|h|KiB|MiB)\b)?`)

func stable(line string) string {
	return strings.Join(strings.Fields(changing.ReplaceAllString(line, "N")), " ")
}

// missing gives the first line of what is to be printed that is not. In a line, … stands for anything.
func missing(printed, want string, own *strings.Replacer) string {
	var lines []string
	for line := range strings.Lines(printed) {
		lines = append(lines, stable(line))
	}
	all := strings.Join(lines, "\n")
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(stable(own.Replace(line))), "…", ".*")
		if !regexp.MustCompile(pattern).MatchString(all) {
			return line
		}
	}
	return ""
}
