package socket

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// helpers are what this test binary does when it is run again as a child, in
// the process that the environment variable TEST_HELPER asks for.
var helpers = map[string]func() error{
	"worker":    worker,
	"bind":      bindArg,
	"activated": activated,
}

// raceExit spares the second that the race detector sleeps at a clean exit.
const raceExit = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	if f, ok := helpers[os.Getenv("TEST_HELPER")]; ok {
		if err := f(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// worker does with an inherited socket what a worker does: make it a listener,
// accept once, and end when its input does.
func worker() error {
	ln, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	fmt.Println("accepting")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	ln.Close() // must end the pending Accept
	<-accepted
	return nil
}

// bindArg binds the address in its environment and says how that went.
func bindArg() error {
	a, err := Parse(os.Getenv("TEST_ADDR"))
	if err != nil {
		return err
	}
	l, err := Bind(a)
	if err != nil {
		return err
	}
	fmt.Println("bound", l.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// activated takes what systemd would pass, with LISTEN_PID made right as
// systemd does it, and describes it.
func activated() error {
	env := append(os.Environ(), "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	before := strings.Join(os.Environ(), "\n")
	ls, err := Activated(env)
	if err != nil {
		return err
	}
	if strings.Join(os.Environ(), "\n") != before {
		return fmt.Errorf("the environment was changed")
	}
	for _, l := range ls {
		fl, _ := unix.FcntlInt(uintptr(l.FD()), unix.F_GETFL, 0)
		fd, _ := unix.FcntlInt(uintptr(l.FD()), unix.F_GETFD, 0)
		fmt.Println(l.FD(), l.Name(), l.Addr(), fl&unix.O_NONBLOCK != 0, fd&unix.FD_CLOEXEC != 0, l.Refuse(true), l.Close())
	}
	return nil
}

// helper is a command that runs the named helper.
func helper(t *testing.T, name string, env ...string) *exec.Cmd {
	t.Helper()
	if helpers[name] == nil {
		t.Fatalf("no helper %q", name)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), append(env, "TEST_HELPER="+name, raceExit)...)
	return cmd
}

// asNobody makes root run the command without root's rights.
func asNobody(cmd *exec.Cmd) {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
}
