package socket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mustBind(t *testing.T, s string) *Listener {
	t.Helper()
	a, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Bind(a)
	if err != nil {
		if strings.Contains(s, "[") && (errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT)) {
			t.Skip("no IPv6 here")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func dial(t *testing.T, a Addr) net.Conn {
	t.Helper()
	c, err := net.Dial(a.Network, a.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// serve is the worker's side in this process: a net.Listener on a duplicate.
func serve(t *testing.T, l *Listener) net.Listener {
	t.Helper()
	fd, err := unix.FcntlInt(uintptr(l.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func flags(t *testing.T, fd int) (nonblock, cloexec bool) {
	t.Helper()
	fl, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	fdfl, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fl&unix.O_NONBLOCK != 0, fdfl&unix.FD_CLOEXEC != 0
}

func TestBind(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ in, want string }{
		{"127.0.0.1:0", "tcp://127.0.0.1:"},
		{"localhost:0", "tcp://127.0.0.1:"},
		{"0.0.0.0:0", "tcp://0.0.0.0:"},
		{":0", "tcp://[::]:"},
		{"[::]:0", "tcp://[::]:"},
		{"[::1]:0", "tcp://[::1]:"},
		{"unix:" + dir + "/a.sock", "unix://" + dir + "/a.sock"},
		{"unix:@tandem-test-" + filepath.Base(dir) + fmt.Sprint(os.Getpid()), "unix://@tandem-test-"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			l := mustBind(t, tt.in)
			a := l.Addr()
			if !strings.HasPrefix(a.String(), tt.want) || strings.HasSuffix(a.String(), ":0") {
				t.Errorf("Addr() = %s, want %s…", a, tt.want)
			}
			if l.Name() != a.Network {
				t.Errorf("Name() = %q", l.Name())
			}
			if nonblock, cloexec := flags(t, l.FD()); !nonblock || !cloexec {
				t.Errorf("O_NONBLOCK %v, FD_CLOEXEC %v; want both", nonblock, cloexec)
			}
			if err := listening(l.FD()); err != nil {
				t.Error(err)
			}
			if a.Network == "tcp" {
				for opt, want := range map[int]int{unix.SO_REUSEADDR: 1, unix.SO_REUSEPORT: 0, unix.SO_PROTOCOL: unix.IPPROTO_TCP} {
					if v, err := unix.GetsockoptInt(l.FD(), unix.SOL_SOCKET, opt); err != nil || v != want {
						t.Errorf("socket option %d is %d, %v; want %d", opt, v, err, want)
					}
				}
			}
			c := dial(t, a)
			s, err := serve(t, l).Accept()
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			c.Close()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if l.FD() != -1 {
				t.Errorf("FD() after Close = %d", l.FD())
			}
			if err := l.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
		})
	}
}

// Whoever writes 0.0.0.0 means IPv4; whoever writes no host means everything.
func TestFamilies(t *testing.T) {
	mustBind(t, "[::1]:0")
	for in, want := range map[string][2]bool{
		":0":        {true, true},
		"[::]:0":    {true, true},
		"0.0.0.0:0": {true, false},
		"[::1]:0":   {false, true},
	} {
		_, port, _ := net.SplitHostPort(mustBind(t, in).Addr().Address)
		for i, host := range []string{"127.0.0.1", "::1"} {
			c, err := net.Dial("tcp", net.JoinHostPort(host, port))
			if err == nil {
				c.Close()
			}
			if (err == nil) != want[i] {
				t.Errorf("bound to %s, dial %s: %v; want success %v", in, host, err, want[i])
			}
		}
	}
}

func TestBindErrors(t *testing.T) {
	dir := t.TempDir()
	taken := mustBind(t, "127.0.0.1:0").Addr().Address
	live := mustBind(t, "unix:"+dir+"/live.sock").Addr().Address
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dgram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: dir + "/dgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer dgram.Close()
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	idle, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(idle)

	for _, tt := range []struct {
		addr Addr
		is   error
		says string
	}{
		{Addr{"tcp", taken, 0}, unix.EADDRINUSE, "bind tcp://" + taken + ": address already in use; another process"},
		{Addr{"tcp", "192.0.2.1:0", 0}, unix.EADDRNOTAVAIL, "no interface of this machine"},
		{Addr{"tcp", "nowhere.invalid:80", 0}, nil, "look up the host name"},
		{Addr{"unix", live, 0}, unix.EADDRINUSE, fmt.Sprintf("process %d listens there", os.Getpid())},
		{Addr{"unix", dir + "/dgram", 0}, unix.EADDRINUSE, "another process has it"},
		{Addr{"unix", file, 0}, unix.EEXIST, "not a socket"},
		{Addr{"unix", dir + "/no/a.sock", 0}, unix.ENOENT, dir + "/no does not exist"},
		{Addr{"unix", file + "/a.sock", 0}, unix.ENOTDIR, "not a directory"},
		{Addr{"unix", "/proc/a.sock", 0}, nil, "bind unix:///proc/a.sock: "},
		{Addr{"unix", "/" + strings.Repeat("a", maxPath), 0}, unix.ENAMETOOLONG, "allows 107"},
		{Addr{"fd", "", 9999}, unix.EBADF, "no descriptor 9999 was inherited"},
		{Addr{"fd", "", pipe[0]}, unix.ENOTSOCK, "a file or a pipe"},
		{Addr{"fd", "", idle}, unix.EINVAL, "does not listen"},
		{Addr{"udp", ":1", 0}, nil, "neither tcp, unix nor fd"},
	} {
		l, err := Bind(tt.addr)
		if err == nil {
			l.Close()
			t.Errorf("Bind(%s): no error", tt.addr)
			continue
		}
		if tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("Bind(%s): %v; want %v, saying %q", tt.addr, err, tt.is, tt.says)
		}
	}
	if c, err := net.Dial("unix", live); err != nil {
		t.Errorf("the live socket was disturbed: %v", err)
	} else {
		c.Close()
	}
}

func TestBindWithoutPermission(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	for addr, says := range map[string]string{
		"127.0.0.1:7":             "CAP_NET_BIND_SERVICE",
		"unix:" + dir + "/a.sock": "check its owner and mode",
	} {
		cmd := helper(t, "bind", "TEST_ADDR="+addr)
		asNobody(cmd)
		out, err := cmd.Output()
		if addr == "127.0.0.1:7" && strings.Contains(string(out), "bound") {
			continue // this machine lets everybody have low ports
		}
		if err == nil || !strings.Contains(string(out), "permission denied") || !strings.Contains(string(out), says) {
			t.Errorf("bind %s without permission: %v, %s; want permission denied, saying %q", addr, err, out, says)
		}
	}
}

// A worker that starts, serves and exits must not change the description that
// its siblings use.
func TestNonblockSurvivesWorkers(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "unix:" + t.TempDir() + "/a.sock"} {
		l := mustBind(t, addr)
		for range 3 {
			var in, out [2]int
			for _, p := range []*[2]int{&in, &out} {
				if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
					t.Fatal(err)
				}
			}
			pid, err := syscall.ForkExec("/proc/self/exe", []string{"worker"}, &syscall.ProcAttr{
				Env:   append(os.Environ(), "TEST_HELPER=worker", raceExit),
				Files: []uintptr{uintptr(in[0]), uintptr(out[1]), 2, uintptr(l.FD())},
			})
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(in[0])
			unix.Close(out[1])
			from := os.NewFile(uintptr(out[0]), "from worker")
			line, err := bufio.NewReader(from).ReadString('\n')
			if line != "accepting\n" {
				t.Fatalf("the worker says %q, %v", line, err)
			}
			if nonblock, _ := flags(t, l.FD()); !nonblock {
				t.Fatal("a worker's start cleared O_NONBLOCK for all workers")
			}
			unix.Close(in[1])
			var ws syscall.WaitStatus
			if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || ws != 0 {
				t.Fatalf("the worker ended with %v, %v", ws, err)
			}
			from.Close()
			if nonblock, _ := flags(t, l.FD()); !nonblock {
				t.Fatal("a worker's exit cleared O_NONBLOCK for all workers")
			}
		}
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	dir := t.TempDir()
	mustBind(t, "unix:"+dir+"/live")
	tcp := mustBind(t, "127.0.0.1:0").Addr()
	use := func() {
		for _, s := range []string{"127.0.0.1:0", ":0", "unix:" + dir + "/a", "unix:" + dir + "/live", tcp.String(), "192.0.2.1:0", "fd:0"} {
			a, err := Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			if l, err := Bind(a); err == nil {
				l.Refuse(true)
				l.Close()
			}
		}
	}
	use() // the runtime's own descriptors
	before := openFDs(t)
	for range 20 {
		use()
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func openFDs(t *testing.T) int {
	t.Helper()
	es, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(es)
}

// waiting gives a context that bounds what should happen at once.
func waiting(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
