package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/test/harness"
)

// manager is a service manager as far as a crash needs one: it keeps the
// descriptors that the service stores with it, and starts it again with them.
type manager struct {
	arena  *arena
	config harness.Config
	socket *net.UnixConn
	all    []*harness.Supervisor // the dead ones, too

	mu     sync.Mutex
	stored []stored
	news   chan struct{} // closed and replaced when something is stored
}

type stored struct {
	name string
	file *os.File
}

// manage starts the arena's supervisor.
func manage(ctx context.Context, a *arena, c harness.Config) (*manager, error) {
	m := &manager{arena: a, config: c, news: make(chan struct{})}
	path := filepath.Join(a.dir, "notify")
	var err error
	if m.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		return nil, err
	}
	go m.listen()
	port, err := harness.FreePort()
	if err != nil {
		return m, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	m.config.Bare = true
	m.config.Env = append(m.config.Env, "NOTIFY_SOCKET="+path, "FDSTORE=64")
	m.config.Args = append(m.config.Args, "--bind", addr, "--control", filepath.Join(a.dir, "control.sock"))
	if err := m.start(addr); err != nil {
		return m, err
	}
	return m, m.await(ctx, 1)
}

func (m *manager) start(addr string) error {
	c := m.config
	m.mu.Lock()
	var names []string
	for _, s := range m.stored {
		c.Files = append(c.Files, s.file)
		names = append(names, s.name)
	}
	m.mu.Unlock()
	if len(names) > 0 {
		c.Prefix = []string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}
		c.Env = append(slices.Clone(c.Env), fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	s, err := harness.Start(c)
	if err != nil {
		return err
	}
	s.Addr = addr
	m.all = append(m.all, s)
	m.arena.Supervisor = s
	return nil
}

// await waits until n descriptors are stored.
func (m *manager) await(ctx context.Context, n int) error {
	for {
		m.mu.Lock()
		have, news := len(m.stored), m.news
		m.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the supervisor to store its sockets (FDSTORE=1): %d of %d: %w", have, n, ctx.Err())
		}
	}
}

// killAndRestart ends the supervisor as a crash would, and does what a service
// manager does then.
func (m *manager) killAndRestart(ctx context.Context) error {
	s := m.arena.Supervisor
	if _, err := s.Ready(ctx, workers); err != nil {
		return err
	}
	if err := s.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	if _, err := s.Wait(ctx); err != nil {
		return err
	}
	if err := m.start(s.Addr); err != nil {
		return err
	}
	_, err := m.arena.Ready(ctx, workers)
	return err
}

// listen keeps what is stored.
func (m *manager) listen() {
	b, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(64*4))
	for {
		n, oobn, _, _, err := m.socket.ReadMsgUnix(b, oob)
		if err != nil {
			return
		}
		var fds []int
		if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
			for _, message := range messages {
				if got, err := unix.ParseUnixRights(&message); err == nil {
					fds = append(fds, got...)
				}
			}
		}
		fields := map[string]string{}
		for line := range strings.Lines(string(b[:n])) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
			fields[k] = v
		}
		m.mu.Lock()
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			if fields["FDSTORE"] != "1" || m.has(fd) {
				_ = unix.Close(fd)
				continue
			}
			m.stored = append(m.stored, stored{fields["FDNAME"], os.NewFile(uintptr(fd), fields["FDNAME"])})
		}
		if fields["FDSTOREREMOVE"] == "1" {
			m.stored = slices.DeleteFunc(m.stored, func(s stored) bool {
				if s.name != fields["FDNAME"] {
					return false
				}
				s.file.Close()
				return true
			})
		}
		close(m.news)
		m.news = make(chan struct{})
		m.mu.Unlock()
	}
}

// has says whether the same open file is stored already, as systemd does.
func (m *manager) has(fd int) bool {
	var a, b unix.Stat_t
	if unix.Fstat(fd, &a) != nil {
		return true
	}
	return slices.ContainsFunc(m.stored, func(s stored) bool {
		raw, err := s.file.SyscallConn()
		if err != nil {
			return false
		}
		same := false
		_ = raw.Control(func(theirs uintptr) { same = unix.Fstat(int(theirs), &b) == nil && a.Dev == b.Dev && a.Ino == b.Ino })
		return same
	})
}

func (m *manager) close() error {
	var errs []error
	for _, s := range m.all {
		errs = append(errs, s.Close())
	}
	_ = m.socket.Close()
	return errors.Join(append(errs, m.forget())...)
}

// forget closes what is stored, as service managers do when a service has
// stopped.
func (m *manager) forget() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, s := range m.stored {
		errs = append(errs, s.file.Close())
	}
	m.stored = nil
	return errors.Join(errs...)
}
