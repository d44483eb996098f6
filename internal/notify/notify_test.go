package notify

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T) *Socket {
	t.Helper()
	s, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSendAndRead(t *testing.T) {
	s := listen(t)
	if err := Send(s.Addr(), "READY=1\nSTATUS=serving"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Read()
	if want := (Message{PID: os.Getpid(), Ready: true, Status: "serving"}); err != nil || got != want {
		t.Errorf("read %+v, %v; want %+v", got, err, want)
	}
}

func TestAddressesAreOnesOwn(t *testing.T) {
	a, b := listen(t), listen(t)
	if a.Addr() == b.Addr() || len(a.Addr()) != len("@tandem-")+32 || !strings.HasPrefix(a.Addr(), "@tandem-") {
		t.Errorf("addresses %s and %s", a.Addr(), b.Addr())
	}
}

func TestCloseEndsRead(t *testing.T) {
	s := listen(t)
	ended := make(chan error)
	go func() {
		_, err := s.Read()
		ended <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read ended with %v", err)
	}
}

func TestSendToPath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := Send(path, "STOPPING=1"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	if n, err := conn.Read(buf); err != nil || string(buf[:n]) != "STOPPING=1" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
}

func TestSendErrors(t *testing.T) {
	if err := Send("", "READY=1"); err != nil {
		t.Error("nobody listens, and that is an error:", err)
	}
	for _, addr := range []string{"vsock:2:1234", "relative", "@tandem-nobody-has-this-name", "/nonexistent/notify"} {
		if err := Send(addr, "READY=1"); err == nil || !strings.Contains(err.Error(), addr) {
			t.Errorf("send to %s: %v", addr, err)
		}
	}
}

// Only root can send in another user's name: there the kernel is asked to, and
// everywhere the rule itself is checked.
func TestStrangersAreDropped(t *testing.T) {
	s := listen(t)
	const stranger = 4242
	if s.allowed(stranger) || !s.allowed(0) || !s.allowed(uint32(os.Getuid())) {
		t.Error("wrong users are let in")
	}
	if os.Getuid() == 0 {
		sendAs(t, s.Addr(), stranger, "STATUS=of a stranger")
		sendAs(t, s.Addr(), 0, "STATUS=ours")
		if m, err := s.Read(); err != nil || m.Status != "ours" {
			t.Errorf("read %+v, %v", m, err)
		}
	}
	s.AllowUID(stranger)
	if !s.allowed(stranger) || s.allowed(stranger+1) {
		t.Error("AllowUID does not let in that user alone")
	}
	if os.Getuid() == 0 {
		sendAs(t, s.Addr(), stranger, "STATUS=of the worker's user")
		if m, err := s.Read(); err != nil || m.Status != "of the worker's user" {
			t.Errorf("read %+v, %v", m, err)
		}
	}
}

func sendAs(t *testing.T, addr string, uid int, state string) {
	t.Helper()
	oob := unix.UnixCredentials(&unix.Ucred{Pid: int32(os.Getpid()), Uid: uint32(uid), Gid: uint32(os.Getgid())})
	sendWith(t, addr, state, oob)
}

func sendWith(t *testing.T, addr, state string, oob []byte) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Sendmsg(fd, []byte(state), oob, &unix.SockaddrUnix{Name: addr}, 0); err != nil {
		t.Fatal(err)
	}
}

// systemd's sd_notify can send descriptors (FDSTORE, BARRIER): they must not
// pile up here, and a barrier's sender waits until its pipe is closed.
func TestDescriptorsAreClosed(t *testing.T) {
	s := listen(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	sendWith(t, s.Addr(), "BARRIER=1", unix.UnixRights(int(w.Fd())))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the pipe is still open: read %d, %v", n, err)
	}
}

func TestOversizeIsDropped(t *testing.T) {
	s := listen(t)
	for _, state := range []string{"STATUS=" + strings.Repeat("x", maxDatagram), "STATUS=short"} {
		if err := Send(s.Addr(), state); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := s.Read(); err != nil || m.Status != "short" {
		t.Errorf("read %d bytes of status, %v", len(m.Status), err)
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]Message{
		"":                                   {},
		"READY=1":                            {Ready: true},
		"READY=1\n":                          {Ready: true},
		"READY=0":                            {},
		"READY":                              {},
		"READY=1\nREADY=0":                   {},
		"X=1\n\nWATCHDOG=1":                  {Watchdog: true},
		"WATCHDOG=trigger":                   {},
		"STOPPING=1\nRELOADING=1":            {Stopping: true, Reloading: true},
		"STATUS=a=b c":                       {Status: "a=b c"},
		"EXTEND_TIMEOUT_USEC=1500000":        {Extend: 1500 * time.Millisecond},
		"EXTEND_TIMEOUT_USEC=-1":             {},
		"EXTEND_TIMEOUT_USEC=soon\nREADY=1":  {Ready: true},
		"EXTEND_TIMEOUT_USEC=99999999999999": {Extend: time.Hour},
		"EXTEND_TIMEOUT_USEC=9999999999999999999999": {Extend: time.Hour},
		"STATUS=\x1b[31mred\x00\xff\tend":            {Status: "[31mredend"},
		"STATUS=" + strings.Repeat("é", 300):         {Status: strings.Repeat("é", 256)},
		"STATUS=x" + strings.Repeat("é", 300):        {Status: "x" + strings.Repeat("é", 255)},
	} {
		if got := Parse([]byte(in)); got != want {
			t.Errorf("Parse(%q) = %+v, want %+v", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("READY=1\nSTATUS=serving\nWATCHDOG=1"))
	f.Add([]byte("STATUS=\xff\xfe\x1b[2J\nSTOPPING=1\nRELOADING=1"))
	f.Add([]byte("STATUS=" + strings.Repeat("é", 300)))
	f.Fuzz(func(t *testing.T, in []byte) {
		m := Parse(in)
		if len(m.Status) > maxStatus || !utf8.ValidString(m.Status) || strings.ContainsFunc(m.Status, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("unsafe status %q", m.Status)
		}
		if m.Ready && !strings.Contains(string(in), "READY=1") {
			t.Error("ready out of nothing")
		}
		if m.PID != 0 {
			t.Error("a datagram's text sets the pid")
		}
		if m.Extend < 0 || m.Extend > time.Hour {
			t.Errorf("extended by %v", m.Extend)
		}
	})
}
