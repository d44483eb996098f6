package worker_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/worker"
)

// Truths 1 and 2: workers come and go on one socket, nobody's request is lost,
// and the socket they share never becomes blocking.
func TestRollLosesNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		keep  bool
		think time.Duration
	}{
		{"short connections", false, 0},
		{"kept connections", true, 0},
		{"kept connections that think", true, 30 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			fd, addr := listen(t)
			defer unix.Close(fd)
			workers := []*proc{start(t, fd, "LINGER=300ms"), start(t, fd, "LINGER=300ms")}
			l := apply(addr, 8, c.keep, c.think)
			for i := range 4 {
				l.goOn(200)
				next := start(t, fd, "LINGER=300ms")
				if !nonblocking(t, fd) {
					t.Fatal("a worker's start made the shared socket blocking")
				}
				old := workers[i%2]
				workers[i%2] = next
				old.signal(t, syscall.SIGTERM)
				old.until(t, func(m notify.Message) bool { return m.Stopping })
				old.code(t, 0)
				if counts := old.board.Read(); counts.InFlight != 0 || counts.Connections != 0 {
					t.Errorf("a drained worker left %+v", counts)
				}
				if !nonblocking(t, fd) {
					t.Fatal("a worker's stop made the shared socket blocking")
				}
			}
			l.goOn(200)
			l.end(t, 1000, 3)
		})
	}
}

// At a stop the accept queue dies with the last descriptor: who is in it has
// connected, and must be answered first.
func TestAcceptQueueIsEmptied(t *testing.T) {
	fd, addr := listen(t)
	p := start(t, fd)
	p.signal(t, syscall.SIGSTOP) // it takes nobody in
	var clients []*client
	for i := range 100 {
		c := dial(t, addr)
		if err := c.send("POST", "/", strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGTERM)
	p.signal(t, syscall.SIGCONT)
	for i, c := range clients {
		answer, closing := c.answered(t)
		if want := fmt.Sprintf("%d %d", p.cmd.Process.Pid, i); answer != want {
			t.Errorf("client %d was answered %q, closing %v", i, answer, closing)
		}
		_ = c.Close()
	}
	p.code(t, 0)
}

func TestDrainFinishesWhatRuns(t *testing.T) {
	fd, addr := listen(t)
	defer unix.Close(fd)
	p := start(t, fd, "LINGER=0s")
	slow, stream, upgraded, silent, used := dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr)
	if _, closing := used.must(t, "/", ""); closing {
		t.Error("a worker that does not drain closes its connections")
	}
	if err := slow.send("GET", "/until-drain", ""); err != nil {
		t.Fatal(err)
	}
	if err := stream.send("GET", "/stream", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.r.Peek(1); err != nil { // it has begun
		t.Fatal(err)
	}
	if err := upgraded.send("GET", "/hijack", ""); err != nil {
		t.Fatal(err)
	}
	if line, err := upgraded.r.ReadString('\n'); err != nil || !strings.Contains(line, "101") {
		t.Fatalf("upgrade: %q, %v", line, err)
	}
	settled(t, p, 3)
	if c := p.board.Read(); c.Requests != 4 || c.Connections != 5 {
		t.Errorf("the board says %+v", c)
	}

	p.signal(t, syscall.SIGTERM)
	p.until(t, func(m notify.Message) bool { return m.Stopping })
	if answer, closing := slow.answered(t); answer != "finished" || !closing {
		t.Errorf("the slow request was answered %q, closing %v", answer, closing)
	}
	// The drain is under way: a second one changes nothing, and some beats later
	// that is certain.
	p.signal(t, syscall.SIGTERM)
	for range 5 {
		p.until(t, func(m notify.Message) bool { return m.Watchdog })
	}
	if answer, _ := stream.answered(t); answer != "begin,end" {
		t.Errorf("the stream was answered %q", answer)
	}
	// The upgraded connection's handler still runs, and is waited for.
	if _, err := io.WriteString(upgraded, "bye\n"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(upgraded.r); err != nil || !strings.HasSuffix(string(rest), "heard bye\n") {
		t.Errorf("the upgraded connection ended with %q, %v", rest, err)
	}
	for name, c := range map[string]*client{"silent": silent, "used": used, "stream's": stream} {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("the %s connection ended with %d, %v", name, n, err)
		}
	}
	p.code(t, 0)
}

// settled waits until that many requests are being handled. The board has no
// events for readers, its beats do: one comes with every look.
func settled(t *testing.T, p *proc, inFlight int64) {
	t.Helper()
	p.until(t, func(notify.Message) bool { return p.board.Read().InFlight == inFlight })
}

func TestSupervisorsDeathDrains(t *testing.T) {
	fd, addr := listen(t)
	defer unix.Close(fd)
	p := start(t, fd, "LINGER=0s")
	c := dial(t, addr)
	if err := c.send("GET", "/until-drain", ""); err != nil {
		t.Fatal(err)
	}
	settled(t, p, 1)
	if err := p.channel.Close(); err != nil {
		t.Fatal(err)
	}
	if answer, _ := c.answered(t); answer != "finished" {
		t.Errorf("the request in flight was answered %q", answer)
	}
	p.code(t, 0)
}

func TestQuickStopIsQuick(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		for _, when := range []string{"serving", "draining"} {
			t.Run(s.String()+" while "+when, func(t *testing.T) {
				stopsQuickly(t, s, when == "draining", dial)
			})
			t.Run(s.String()+" over TLS while "+when, func(t *testing.T) {
				stopsQuickly(t, s, when == "draining", dialTLS, "TLS=1")
			})
		}
	}
}

func stopsQuickly(t *testing.T, s syscall.Signal, draining bool, dial func(*testing.T, string) *client, env ...string) {
	t.Helper()
	fd, addr := listen(t)
	defer unix.Close(fd)
	p := start(t, fd, append(env, "STUCK=1")...)
	for _, path := range []string{"/cancellable", "/stuck", "/hijack", "/"} {
		if err := dial(t, addr).send("GET", path, ""); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, p, 3)
	if draining {
		p.signal(t, syscall.SIGTERM)
		p.until(t, func(m notify.Message) bool { return m.Stopping })
	}
	begun := time.Now()
	p.signal(t, s)
	p.code(t, 0)
	// 200 ms is the promise; the rest is a busy machine's.
	if took := time.Since(begun); took > time.Second {
		t.Errorf("took %v", took)
	}
}

func TestStuckIsCutAndCounted(t *testing.T) {
	fd, addr := listen(t)
	defer unix.Close(fd)
	p := start(t, fd, "DRAIN=300ms", "LINGER=0s")
	stuck, good := dial(t, addr), dial(t, addr)
	for c, path := range map[*client]string{stuck: "/stuck", good: "/until-drain"} {
		if err := c.send("GET", path, ""); err != nil {
			t.Fatal(err)
		}
	}
	settled(t, p, 2)
	p.signal(t, syscall.SIGTERM)
	if answer, _ := good.answered(t); answer != "finished" {
		t.Errorf("the neighbour of a stuck request was answered %q", answer)
	}
	if _, _, _, err := stuck.receive(); err == nil {
		t.Error("the stuck request was answered")
	}
	p.code(t, exitCut)
	var cut worker.DrainError
	if err := json.Unmarshal([]byte(p.output), &cut); err != nil || cut != (worker.DrainError{Requests: 1, Connections: 1, After: 300 * time.Millisecond}) {
		t.Errorf("the error says %+v, %v", cut, err)
	}
	if c := p.board.Read(); c.InFlight != 1 {
		t.Errorf("the dead worker's board says %+v", c)
	}
}

func TestLogReadersEndIsNotTheWorkers(t *testing.T) {
	fd, addr := listen(t)
	defer unix.Close(fd)
	p := start(t, fd)
	c := dial(t, addr)
	if answer, _ := c.must(t, "/print", ""); answer != "<nil>" {
		t.Fatal(answer)
	}
	if err := p.stdout.Close(); err != nil {
		t.Fatal(err)
	}
	if answer, _ := c.must(t, "/print", ""); !strings.Contains(answer, "broken pipe") {
		t.Errorf("printing to nobody gave %q", answer)
	}
	c.must(t, "/", "alive")
	p.signal(t, syscall.SIGTERM)
	p.code(t, 0)
}

func TestChildrenInheritNothing(t *testing.T) {
	fd, addr := listen(t)
	defer unix.Close(fd)
	p := start(t, fd)
	seen, _ := dial(t, addr).must(t, "/child-sees", "")
	for _, secret := range []string{"LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_", channel.Variable + "=", "socket:", "memfd"} {
		if strings.Contains(seen, secret) {
			t.Errorf("a program that the worker starts has %s:\n%s", secret, seen)
		}
	}
	if !strings.Contains(seen, "TANDEM_WORKER_ID=7") || !strings.Contains(seen, "/proc/") {
		t.Errorf("the test sees too little:\n%s", seen)
	}
	p.signal(t, syscall.SIGTERM)
	p.code(t, 0)
}

func TestBeats(t *testing.T) {
	fd, _ := listen(t)
	defer unix.Close(fd)
	p := start(t, fd)
	var last int64
	for newer := 0; newer < 3; { // the test's own bound is in until
		p.until(t, func(m notify.Message) bool { return m.Watchdog })
		switch beat := p.board.Read().Beat; {
		case beat > last:
			newer++
			last = beat
		case beat < last:
			t.Fatalf("beat %d after %d", beat, last)
		}
	}
	p.signal(t, syscall.SIGTERM)
	p.code(t, 0)
}

// What init does is seen from the first instruction of the program on.
func TestIdentity(t *testing.T) {
	used.Lock()
	used.helpers["identity"] = true
	used.Unlock()
	mine, fd, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	theirs := os.NewFile(uintptr(fd), "channel")
	defer theirs.Close()
	exe, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	run := func(variables ...string) (got identity) {
		runtime.LockOSThread() // the signal comes with the thread's death
		defer runtime.UnlockOSThread()
		cmd := exec.Cmd{
			Path: "/proc/self/fd/4", Args: []string{"/opt/a-rather-long-name-for-an-app"},
			ExtraFiles:  []*os.File{theirs, exe},
			Env:         append(append(os.Environ(), helperVariable+"=identity"), variables...),
			SysProcAttr: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
			Stderr:      os.Stderr,
		}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := identity{worker.Identity{ID: 7, Generation: 3, Workers: 4, Supervised: true}, int(syscall.SIGTERM), "a-rather-long-n"}
	if got := run("TANDEM_FD=3", "TANDEM_WORKER_ID=7", "TANDEM_GENERATION=3", "TANDEM_WORKERS=4"); got != want {
		t.Errorf("supervised: %+v, want %+v", got, want)
	}
	// A stranger's program is left as it is.
	if got := run(); got.Self != (worker.Identity{}) || got.DeathSignal != int(syscall.SIGKILL) || got.Comm != "4" {
		t.Errorf("alone: %+v", got)
	}
}
