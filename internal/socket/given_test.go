package socket

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBindFD(t *testing.T) {
	l := mustBind(t, "127.0.0.1:0")
	given, err := unix.Dup(l.FD()) // not close on exec, as an inherited one is
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(given)
	if err := unix.SetNonblock(given, false); err != nil {
		t.Fatal(err)
	}
	a, err := Bind(Addr{Network: "fd", FD: given})
	if err != nil {
		t.Fatal(err)
	}
	if a.Addr() != l.Addr() || a.FD() == given {
		t.Errorf("adopted %s as descriptor %d (given %d), want %s and a duplicate", a.Addr(), a.FD(), given, l.Addr())
	}
	if nonblock, cloexec := flags(t, a.FD()); !nonblock || !cloexec {
		t.Errorf("O_NONBLOCK %v, FD_CLOEXEC %v; want both", nonblock, cloexec)
	}
	if _, cloexec := flags(t, given); !cloexec {
		t.Error("every worker would inherit the number that was given")
	}
	if err := a.Refuse(true); err != nil {
		t.Error(err)
	}
	dial(t, l.Addr()) // it is another's too: Refuse and Close leave it be
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	dial(t, l.Addr())
}

func TestActivated(t *testing.T) {
	tcp, path := mustBind(t, "127.0.0.1:0"), mustBind(t, "unix:"+t.TempDir()+"/a.sock")
	run := func(fds []int, env ...string) (string, error) {
		cmd := helper(t, "activated", env...)
		for _, fd := range fds {
			dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			f := os.NewFile(uintptr(dup), "socket")
			defer f.Close()
			cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		}
		out, err := cmd.Output()
		return string(out), err
	}
	both := []int{tcp.FD(), path.FD()}
	for _, tt := range []struct {
		fds  []int
		env  []string
		want string
		fail bool
	}{
		{both, []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=web:admin"}, fmt.Sprintf(
			"3 web %s true true <nil> <nil>\n4 admin %s true true <nil> <nil>\n", tcp.Addr(), path.Addr()), false},
		{both[:1], []string{"LISTEN_FDS=1"}, fmt.Sprintf("3 unknown %s true true <nil> <nil>\n", tcp.Addr()), false},
		// One socket with two names has one queue; two sockets are two.
		{[]int{tcp.FD(), path.FD(), tcp.FD()}, []string{"LISTEN_FDS=3", "LISTEN_FDNAMES=web:admin:again"}, fmt.Sprintf(
			"3 web %s true true <nil> <nil>\n4 admin %s true true <nil> <nil>\n", tcp.Addr(), path.Addr()), false},
		// What an earlier start has put into the store comes in any order between.
		{both, []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=web:tandem-bind-x"}, fmt.Sprintf("3 web %s true true <nil> <nil>\n", tcp.Addr()), false},
		{both, []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=tandem-queue-in:admin"}, fmt.Sprintf("4 admin %s true true <nil> <nil>\n", path.Addr()), false},
		{both, nil, "", false},
		{both, []string{"LISTEN_FDS=0", "LISTEN_FDNAMES="}, "", false},
		{both, []string{"LISTEN_FDS=2", "LISTEN_PID=1"}, "", false},
		{both, []string{"LISTEN_FDS=2", "LISTEN_PID=me"}, "not a process id", true},
		{both, []string{"LISTEN_FDS=two"}, "not a number of descriptors", true},
		{both, []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=web"}, "has 1 names", true},
		{both, []string{"LISTEN_FDS=60", "LISTEN_FDNAMES=" + strings.Repeat("x:", 59) + "x"}, `adopt socket "x" (descriptor `, true},
	} {
		out, err := run(tt.fds, tt.env...)
		if tt.fail != (err != nil) || tt.fail && !strings.Contains(out, tt.want) || !tt.fail && out != tt.want {
			t.Errorf("%q: %q, %v; want %q", tt.env, out, err, tt.want)
		}
	}
	dial(t, tcp.Addr())
	dial(t, path.Addr()) // neither refused nor removed by the one that adopted it
}
