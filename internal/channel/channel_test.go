package channel

import (
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is both sides in one process, the worker's taken from the environment as
// a worker takes it.
func pair(t *testing.T) (supervisor, worker *Conn) {
	t.Helper()
	supervisor, theirs, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = supervisor.Close() })
	t.Setenv(Variable, strconv.Itoa(theirs))
	worker, err = Inherited()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = worker.Close() })
	if _, set := os.LookupEnv(Variable); set {
		t.Error("the variable is left to the programs that this one starts")
	}
	return supervisor, worker
}

func open(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

func TestHelloWithDescriptor(t *testing.T) {
	supervisor, worker := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if err := supervisor.Send(Greeting(), int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	m, fds, err := worker.Receive()
	if err != nil || !reflect.DeepEqual(m, Greeting()) || len(fds) != 1 {
		t.Fatalf("received %+v, %v, %v", m, fds, err)
	}
	if flags, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the descriptor goes on to children: flags %#x, %v", flags, err)
	}
	got := os.NewFile(uintptr(fds[0]), "received")
	if _, err := got.WriteString("through"); err != nil {
		t.Fatal(err)
	}
	if err := got.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); err != nil || string(text) != "through" {
		t.Errorf("read %q, %v", text, err)
	}
	if err := worker.Send(Greeting()); err != nil {
		t.Fatal(err)
	}
	if m, _, err := supervisor.Receive(); err != nil || !reflect.DeepEqual(m, Greeting()) {
		t.Errorf("answer %+v, %v", m, err)
	}
}

func TestDescriptorsAreFoundByName(t *testing.T) {
	supervisor, worker := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close(); _ = w.Close() }()
	receive := func() (Message, []int) {
		t.Helper()
		m, fds, err := worker.Receive()
		if err != nil || len(fds) != 3 {
			t.Fatalf("received %+v, %v, %v", m, fds, err)
		}
		return m, fds
	}

	if err := supervisor.Send(Greeting(Scoreboard, "of a later release", HandoverIn), int(w.Fd()), int(w.Fd()), int(r.Fd())); err != nil {
		t.Fatal(err)
	}
	m, all := receive()
	in, rest := m.Take(all, HandoverIn)
	board, rest := m.Take(rest, Scoreboard)
	if in != all[2] || board != all[0] || !slices.Equal(rest, []int{-1, all[1], -1}) {
		t.Errorf("of %v took %d and %d, and left %v", all, in, board, rest)
	}
	if again, _ := m.Take(rest, Scoreboard); again != -1 {
		t.Error("taken twice:", again)
	}
	if fd, _ := m.Take(rest, Fleet); fd != -1 {
		t.Error("found what was not sent:", fd)
	}
	Discard(rest)
	if open(all[1]) || !open(board) || !open(in) {
		t.Error("discarded is what was taken, or not what was left")
	}
	Discard([]int{board, in})

	// An older supervisor names nothing: the first is the scoreboard.
	if err := supervisor.Send(Greeting(), int(w.Fd()), int(w.Fd()), int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	m, all = receive()
	board, rest = m.Take(all, Scoreboard)
	if board != all[0] {
		t.Errorf("without names the scoreboard is %d, want %d", board, all[0])
	}
	Discard(append(rest, board))

	// More names than descriptors.
	if fd, _ := Greeting(Scoreboard, Fleet).Take([]int{7}, Fleet); fd != -1 {
		t.Error("a name without a descriptor gave", fd)
	}
}

func TestPeersEndIsEOF(t *testing.T) {
	for name, unread := range map[string]bool{"all read": false, "with unread messages": true} {
		t.Run(name, func(t *testing.T) {
			supervisor, worker := pair(t)
			if unread {
				if err := worker.Send(Greeting()); err != nil {
					t.Fatal(err)
				}
			}
			if err := supervisor.Send(Greeting()); err != nil {
				t.Fatal(err)
			}
			if err := supervisor.Close(); err != nil {
				t.Fatal(err)
			}
			if _, _, err := worker.Receive(); err != nil {
				t.Error("what was sent before the end is lost:", err)
			}
			for range 2 {
				if _, _, err := worker.Receive(); err != io.EOF {
					t.Errorf("received %v, want io.EOF", err)
				}
			}
			if err := worker.Send(Greeting()); !errors.Is(err, unix.EPIPE) {
				t.Errorf("sent to nobody: %v", err)
			}
		})
	}
}

func TestCloseEndsReceive(t *testing.T) {
	supervisor, _ := pair(t)
	ended := make(chan error)
	go func() {
		_, _, err := supervisor.Receive()
		ended <- err
	}()
	if err := supervisor.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != net.ErrClosed {
		t.Errorf("receive ended with %v", err)
	}
}

func TestOtherVersion(t *testing.T) {
	supervisor, worker := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if err := supervisor.Send(Message{Type: Hello, Version: 7}, int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	m, fds, err := worker.Receive()
	version, is := errors.AsType[*VersionError](err)
	if !is || version.Peer != 7 || m.Version != 7 || fds != nil {
		t.Fatalf("received %+v, %v, %v", m, fds, err)
	}
	if !errors.Is(err, ErrMessage) {
		t.Error("it does not say that the channel goes on")
	}
	if text := err.Error(); !strings.Contains(text, "version 7") || !strings.Contains(text, "version 1") {
		t.Error("the error does not name both:", text)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Error("the descriptor that came along is still open:", err)
	}
	_ = supervisor.Close()
	if _, _, err := worker.Receive(); err != io.EOF {
		t.Error("the end is not seen after it:", err)
	}
}

func TestUnknownIsSkipped(t *testing.T) {
	supervisor, worker := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if err := supervisor.Send(Message{Type: "of a later release"}, int(w.Fd())); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	raw(t, supervisor, `{"type":"hello","version":1,"later":{"field":[1]}}`)
	if m, fds, err := worker.Receive(); err != nil || !reflect.DeepEqual(m, Greeting()) || len(fds) != 0 {
		t.Errorf("received %+v, %v, %v", m, fds, err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Error("the skipped message's descriptor is still open:", err)
	}
}

func TestBrokenMessageIsAnErrorAndNotTheEnd(t *testing.T) {
	supervisor, worker := pair(t)
	for _, body := range []string{"not json", `{"version":1}`, `{"type":"hello","version":"one"}`, strings.Repeat(" ", maxMessage+1)} {
		raw(t, supervisor, body)
		if m, _, err := worker.Receive(); !errors.Is(err, ErrMessage) {
			t.Errorf("%.20q received as %+v, %v", body, m, err)
		}
	}
	if err := supervisor.Send(Greeting()); err != nil {
		t.Fatal(err)
	}
	if m, _, err := worker.Receive(); err != nil || !reflect.DeepEqual(m, Greeting()) {
		t.Errorf("after them: %+v, %v", m, err)
	}
}

func raw(t *testing.T, c *Conn, body string) {
	t.Helper()
	if _, err := c.unix.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
}

func TestSendNeverWaits(t *testing.T) {
	supervisor, worker := pair(t)
	var sent int
	var err error
	for err == nil {
		if err = supervisor.Send(Greeting()); err == nil {
			sent++
		}
	}
	if !errors.Is(err, ErrFull) || sent == 0 {
		t.Fatalf("after %d messages: %v", sent, err)
	}
	for range sent {
		if _, _, err := worker.Receive(); err != nil {
			t.Fatal(err)
		}
	}
	if err := supervisor.Send(Greeting()); err != nil {
		t.Error("room again, and still:", err)
	}
}

func TestSendRefuses(t *testing.T) {
	supervisor, _ := pair(t)
	if err := supervisor.Send(Message{Type: strings.Repeat("x", maxMessage)}); err == nil {
		t.Error("an oversize message was sent")
	}
	if err := supervisor.Send(Greeting(), slices.Repeat([]int{0}, maxFDs+1)...); err == nil {
		t.Error("too many descriptors were sent")
	}
}

func TestInheritedRefuses(t *testing.T) {
	if _, set := os.LookupEnv(Variable); set {
		t.Fatal("the test itself runs under a supervisor")
	}
	if c, err := Inherited(); c != nil || err != nil {
		t.Errorf("without the variable: %v, %v", c, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close(); _ = w.Close() }()
	stream, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(stream) }()
	for _, value := range []string{"", "three", "-1", "99999", strconv.Itoa(int(r.Fd())), strconv.Itoa(stream)} {
		t.Setenv(Variable, value)
		if c, err := Inherited(); c != nil || err == nil || !strings.Contains(err.Error(), Variable) {
			t.Errorf("%s=%q: %v, %v", Variable, value, c, err)
		}
	}
	if !open(stream) || !open(int(r.Fd())) {
		t.Error("a descriptor that is no channel was closed")
	}
}

func TestAShare(t *testing.T) {
	supervisor, worker := pair(t)
	share := Message{Type: Share, CPUs: 3, Memory: 1 << 30, DatabaseConnections: 20}
	if err := supervisor.Send(share); err != nil {
		t.Fatal(err)
	}
	if m, _, err := worker.Receive(); err != nil || !reflect.DeepEqual(m, share) {
		t.Errorf("received %+v, %v", m, err)
	}
	for _, body := range []string{
		`{"type":"share","cpus":-1}`, `{"type":"share","cpus":65537}`, `{"type":"share","memory":-1}`, `{"type":"share","cpus":1.5}`,
		`{"type":"share","db_connections":-1}`, `{"type":"share","db_connections":"20"}`,
	} {
		raw(t, supervisor, body)
		if m, _, err := worker.Receive(); !errors.Is(err, ErrMessage) || m.Type != "" {
			t.Errorf("%s received as %+v, %v", body, m, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"share","cpus":2,"memory":1073741824,"db_connections":20}`))
	f.Add([]byte(`{"type":"tickets","ticket_keys":["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="]}`))
	f.Add([]byte(`{"type":"hello","version":1,"ticket_keys":["AQEB"]}`))
	f.Add([]byte(`{"type":"hello","version":1}`))
	f.Add([]byte(`{"type":"hello","version":2,"x":[]}`))
	f.Add([]byte(`{"type":""}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decode(body)
		if err == nil && (m.Type == "" || m.Type == Hello && m.Version != Version) {
			t.Errorf("%q decoded as %+v", body, m)
		}
		if err == nil && m.Type == Share && (m.CPUs < 0 || m.Memory < 0 || m.DatabaseConnections < 0) {
			t.Errorf("%q decoded as a share of %+v", body, m)
		}
		if err == nil && (m.Type == Hello || m.Type == Tickets) {
			if len(m.TicketKeys) > maxTicketKeys || m.Type == Tickets && len(m.TicketKeys) == 0 {
				t.Errorf("%q decoded with %v", body, m.TicketKeys)
			}
			for _, key := range m.TicketKeys {
				if len(key) != ticketKeySize {
					t.Errorf("%q decoded with a key of %d bytes", body, len(key))
				}
			}
		}
		if _, other := errors.AsType[*VersionError](err); other && m.Version == Version {
			t.Errorf("%q: %v", body, err)
		}
	})
}
