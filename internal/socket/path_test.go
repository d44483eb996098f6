package socket

import (
	"bufio"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	cmd := helper(t, "bind", "TEST_ADDR=unix:"+path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "bound unix://"+path+"\n" {
		t.Fatal(line, err)
	}
	if _, err := Bind(Addr{Network: "unix", Address: path}); !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("bind beside a live process: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	dial(t, mustBind(t, "unix:"+path).Addr())
}

func TestModeHonoursUmask(t *testing.T) {
	for umask, want := range map[int]os.FileMode{0: 0o666, 0o022: 0o644, 0o077: 0o600} {
		old := unix.Umask(umask)
		l, err := Bind(Addr{Network: "unix", Address: filepath.Join(t.TempDir(), "a.sock")})
		unix.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(l.Addr().Address)
		if err != nil || st.Mode().Perm() != want {
			t.Errorf("umask %#o: mode %v, %v; want %v", umask, st.Mode(), err, want)
		}
		l.Close()
	}
}

func TestRemovesOnlyItsOwnFile(t *testing.T) {
	for name, end := range map[string]func(*Listener) error{"Close": (*Listener).Close, "Refuse": func(l *Listener) error { return l.Refuse(true) }} {
		l := mustBind(t, "unix:"+t.TempDir()+"/a.sock")
		path := l.Addr().Address
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		other := mustBind(t, "unix:"+path)
		if err := end(l); err != nil {
			t.Error(name, err)
		}
		dial(t, other.Addr())
		if err := end(other); err != nil {
			t.Error(name, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s left its file: %v", name, err)
		}
	}
}

func TestCloseAfterDirectoryIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l := mustBind(t, "unix:"+dir+"/a.sock")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Of many that find the same stale socket, exactly one gets the path, and it is
// the one that can be reached there.
func TestStaleRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	for range 20 {
		stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		stale.SetUnlinkOnClose(false)
		stale.Close()

		var wg sync.WaitGroup
		got := make(chan *Listener, 8)
		for range cap(got) {
			wg.Go(func() {
				l, err := Bind(Addr{Network: "unix", Address: path})
				if err == nil {
					got <- l
				} else if !errors.Is(err, unix.EADDRINUSE) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		close(got)
		if len(got) != 1 {
			t.Fatalf("%d listeners on one path", len(got))
		}
		l := <-got
		c := dial(t, l.Addr())
		s, err := serve(t, l).Accept()
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		c.Close()
		l.Close()
	}
}

func TestLockIsBounded(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockDir(dir, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockDir(dir, time.Millisecond)
	if !errors.Is(err, unix.EWOULDBLOCK) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a lock held by another: %v", err)
	}
	waited := make(chan error, 1)
	go func() {
		unlock, err := lockDir(dir, time.Minute)
		if err == nil {
			unlock()
		}
		waited <- err
	}()
	unlock()
	if err := <-waited; err != nil {
		t.Errorf("a lock that came free: %v", err)
	}
}
