package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The test binary is the supervisor (and so the shim) and every worker.
func TestMain(m *testing.M) {
	Shim()
	if role := os.Getenv("TEST_ROLE"); role != "" {
		workers[role]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A worker looks at what was set before its exec on the one thread that it had then: the
// signal at its parent's death is a thread's.
func init() {
	if os.Getenv("TEST_ROLE") != "" {
		runtime.LockOSThread()
	}
}

var workers = map[string]func(){
	"environment": func() {
		wd, _ := os.Getwd()
		old := unix.Umask(0)
		pgid, _ := unix.Getpgid(0)
		var death int32
		_ = unix.Prctl(unix.PR_GET_PDEATHSIG, ptr(&death), 0, 0, 0)
		slack, _ := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
		_, fdErr := unix.FcntlInt(4, unix.F_GETFD, 0)
		fmt.Println(os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()), os.Getenv("WATCHDOG_PID") == strconv.Itoa(os.Getpid()),
			os.Getenv("TANDEM_FD"), wd, fmt.Sprintf("%03o", old), pgid == os.Getpid(), death, slack, strings.Join(os.Args, " "), fdErr)
	},
	"mask": func() {
		var set unix.Sigset_t
		_ = unix.PthreadSigmask(unix.SIG_BLOCK, nil, &set)
		fmt.Println(set.Val[0])
	},
	"ignored": func() {
		status, _ := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, "SigIgn:"); ok {
				fmt.Println(strings.TrimSpace(rest))
			}
		}
	},
	"ignoring": func() { // starts a worker while it ignores signals
		signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTTIN, unix.SIGUSR1)
		p, err := Start(Spec{Exe: self(), Args: os.Args, Env: []string{"TEST_ROLE=ignored"}, Stdout: 1, Stderr: 2, Channel: -1, Umask: -1})
		if err != nil {
			panic(err)
		}
		os.Exit(p.Wait().Status.ExitStatus())
	},
	"blocked": func() { // starts a worker on a thread that has signals blocked
		runtime.LockOSThread()
		set := unix.Sigset_t{}
		set.Val[0] = 1<<(unix.SIGTERM-1) | 1<<(unix.SIGUSR2-1)
		_ = unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
		os.Exit(RunMain(func() int {
			p, err := Start(Spec{Exe: self(), Args: os.Args, Env: []string{"TEST_ROLE=mask"}, Stdout: 1, Stderr: 2, Channel: -1, Umask: -1})
			if err != nil {
				panic(err)
			}
			return p.Wait().Status.ExitStatus()
		}))
	},
	"exit 3": func() { os.Exit(3) },
	"forever": func() {
		fmt.Println("up")
		_ = unix.Pause() // not select {}: the runtime ends a program that has nothing left to run
	},
	"grandchild": func() {
		pid, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{
			Env: []string{"TEST_ROLE=forever"}, Files: []uintptr{0, 1, 2},
		})
		fmt.Println(pid, err)
	},
	"parent": func() { // starts a worker and dies
		r, w := pipe()
		p, err := Start(Spec{Exe: self(), Args: os.Args, Env: []string{"TEST_ROLE=forever"}, Stdout: w, Stderr: 2, Channel: -1, DeathSignal: unix.SIGTERM, Umask: -1})
		if err != nil {
			panic(err)
		}
		_, _ = bufio.NewReader(r).ReadString('\n') // it is up: its shim is done
		fmt.Println(p.PID())
	},
	"threads": func() { // forks, then lets every other thread end
		r, w := pipe()
		p, err := Start(Spec{Exe: self(), Args: os.Args, Env: []string{"TEST_ROLE=forever"}, Stdout: w, Stderr: 2, Channel: -1, DeathSignal: unix.SIGKILL, Umask: -1})
		if err != nil {
			panic(err)
		}
		_, _ = bufio.NewReader(r).ReadString('\n')
		done := make(chan struct{})
		for range 50 {
			go func() { runtime.LockOSThread(); done <- struct{}{} }() // ends its thread
			<-done
		}
		fmt.Println(p.Signal(0))
		_ = p.Signal(unix.SIGKILL)
		fmt.Println(p.Wait())
	},
}

func self() *Executable {
	e, err := Open("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	return e
}

func pipe() (*os.File, int) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		panic(err)
	}
	return os.NewFile(uintptr(p[0]), "out"), p[1]
}

// run starts a role, waits for its end and returns its output.
func run(t *testing.T, role string, change func(*Spec)) (string, Exit) {
	t.Helper()
	r, w := pipe()
	defer r.Close()
	s := Spec{Exe: self(), Args: []string{"worker", "arg"}, Env: []string{"TEST_ROLE=" + role, "GORACE=atexit_sleep_ms=0"}, Stdout: w, Stderr: 2, Channel: -1, Umask: -1}
	if change != nil {
		change(&s)
	}
	p, err := Start(s)
	unix.Close(w)
	if err != nil {
		t.Fatal(err)
	}
	exit := p.Wait()
	out, err := io.ReadAll(r) // to the end of the last process that holds the pipe
	if err != nil {
		t.Fatal(err)
	}
	return string(out), exit
}

func TestTheWorkerGetsWhatTheSpecSays(t *testing.T) {
	dir := t.TempDir()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	out, exit := run(t, "environment", func(s *Spec) {
		s.Env = append(s.Env, "LISTEN_FDS=1", "WATCHDOG_USEC=1000")
		s.Listeners, s.Channel = []int{fds[0]}, fds[1]
		s.Dir, s.Umask, s.TimerSlack, s.DeathSignal = dir, 0o27, 300*time.Microsecond, unix.SIGTERM
	})
	if want := "true true 4 " + dir + " 027 true 15 300000 worker arg <nil>\n"; out != want || !exit.Clean() {
		t.Errorf("%q, %v\nwant %q", out, exit, want)
	}
}

// The system takes any bytes but zero in paths and arguments.
func TestPathsAndArgumentsNeedNotBeUTF8(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d\xff")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "w\xfe.sh") // started by its path
	if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf '%s\\n' \"$PWD\" \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	exe, err := Open(script)
	if err != nil {
		t.Fatal(err)
	}
	out, exit := run(t, "", func(s *Spec) { s.Exe, s.Dir, s.Args, s.Env = exe, dir, []string{"w", "a\xff\"<b"}, nil })
	if want := dir + "\na\xff\"<b\n"; out != want || !exit.Clean() {
		t.Errorf("%q, %v\nwant %q", out, exit, want)
	}
}

// A worker is asked to go by signals: those that the supervisor was started
// with blocked are not blocked for it.
func TestBlockedSignalsAreNotHandedOn(t *testing.T) {
	if out, exit := run(t, "blocked", nil); out != "0\n" || !exit.Clean() {
		t.Errorf("%q, %v: want an empty mask", out, exit)
	}
}

func TestAWorkerIgnoresNoSignal(t *testing.T) {
	if out, exit := run(t, "ignoring", nil); !exit.Clean() || strings.Trim(out, "0\n") != "" {
		t.Errorf("%q, %v: want nothing ignored", out, exit)
	}
}

// What a process has said and how it ended goes over; nobody else reaps it.
func TestAProcessIsAdopted(t *testing.T) {
	take := func(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3) }
	start := func(exe *Executable, role string) *Process {
		t.Helper()
		r, w := pipe()
		defer unix.Close(w)
		t.Cleanup(func() { r.Close() })
		p, err := Start(Spec{Exe: exe, Args: []string{"worker"}, Env: []string{"TEST_ROLE=" + role}, Stdout: w, Stderr: 2, Channel: -1, Umask: -1})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	adopt := func(p *Process) *Process {
		t.Helper()
		p.Pause()
		if e, ended := p.Watch(); ended && p.exit == nil {
			t.Fatalf("it ended in a pause: %v", e)
		}
		next, err := Adopt(p.Save(func(fd int) int { return fd }), take)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	living := start(self(), "forever")
	for range 3 {
		living = adopt(living)
	}
	if err := living.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if e := living.Wait(); !e.Status.Signaled() || e.Status.Signal() != unix.SIGKILL {
		t.Error(e)
	}

	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := Open(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, reaped := range []bool{false, true} {
		p := start(exe, "")
		if reaped {
			p.Wait()
		}
		if e := adopt(p).Wait(); e.Exec == nil || !errors.Is(e.Exec, unix.ENOEXEC) {
			t.Errorf("reaped before %v: %v", reaped, e)
		}
	}
	over := start(self(), "exit 3")
	over.Wait()
	over = adopt(over)
	if e := over.Wait(); e.Status.ExitStatus() != 3 || e.CPU <= 0 {
		t.Error(e)
	}
	if err := over.Signal(unix.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
}

func TestExitSaysHowItEnded(t *testing.T) {
	if _, exit := run(t, "exit 3", nil); exit.String() != "exit status 3" || exit.Clean() {
		t.Error(exit)
	}
	r, w := pipe()
	defer r.Close()
	p, err := Start(Spec{Exe: self(), Args: []string{"worker"}, Env: []string{"TEST_ROLE=forever"}, Stdout: w, Stderr: 2, Channel: -1, Umask: -1})
	unix.Close(w)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if exit := p.Wait(); exit.String() != "killed by SIGKILL" {
		t.Error(exit)
	}
	if err := p.Signal(unix.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after the end: %v", err)
	}
}

func TestAGrandchildDoesNotOutliveItsWorker(t *testing.T) {
	out, exit := run(t, "grandchild", nil) // returns only once the grandchild's copy of the pipe is closed
	if !exit.Clean() || !strings.HasSuffix(strings.TrimSuffix(out, "up\n"), "<nil>\n") {
		t.Error(out, exit)
	}
}

func TestAFailedExecIsToldApart(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("just words\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	noInterpreter := filepath.Join(dir, "script")
	if err := os.WriteFile(noInterpreter, []byte("#!/does/not/exist\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{text: "not a program", noInterpreter: "interpreter"} {
		_, exit := run(t, "", func(s *Spec) {
			var err error
			if s.Exe, err = Open(path); err != nil {
				t.Fatal(err)
			}
		})
		if exit.Exec == nil || !strings.Contains(exit.String(), want) || !strings.Contains(exit.String(), path) {
			t.Errorf("%s: %v", path, exit)
		}
	}
	_, exit := run(t, "exit 3", func(s *Spec) { s.Dir = filepath.Join(dir, "none") })
	if exit.Exec == nil || !strings.Contains(exit.String(), "change to directory") {
		t.Error(exit)
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "does not exist",
		plain:                      "not executable",
		dir:                        "is a directory",
		"/dev/null":                "not a regular file",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%s): %v, want %q", path, err, want)
		}
	}
}

func TestAReplacedExecutableStillStarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app")
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	broken := path + ".new"
	if err := os.WriteFile(broken, []byte("#!/bin/false\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(broken, path); err != nil {
		t.Fatal(err)
	}
	if _, exit := run(t, "exit 3", func(s *Spec) { s.Exe = exe }); exit.String() != "exit status 3" {
		t.Error(exit)
	}
}

func TestTheParentsDeathReachesTheWorker(t *testing.T) {
	out, exit := run(t, "parent", nil) // its worker holds the pipe: this returns when that is gone
	if !exit.Clean() || out == "" {
		t.Error(out, exit)
	}
}

func TestTheDeathOfAThreadDoesNot(t *testing.T) {
	if out, exit := run(t, "threads", nil); out != "<nil>\nkilled by SIGKILL\n" || !exit.Clean() {
		t.Error(out, exit)
	}
}

func ptr(p *int32) uintptr { return uintptr(unsafe.Pointer(p)) }
