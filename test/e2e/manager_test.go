package e2e

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/test/harness"
)

// manager plays the part of systemd that keeps descriptors.
type manager struct {
	addr string
	conn *net.UnixConn
	done chan struct{}

	mu    sync.Mutex
	files []*os.File // in the store
	names []string
}

func manage(t *testing.T) *manager {
	t.Helper()
	m := &manager{addr: filepath.Join(t.TempDir(), "notify"), done: make(chan struct{})}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.addr, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(m.done)
		b, oob := make([]byte, 4096), make([]byte, 4096)
		for {
			n, o, _, _, err := m.conn.ReadMsgUnix(b, oob)
			if err != nil {
				return
			}
			m.take(string(b[:n]), oob[:o])
		}
	}()
	t.Cleanup(func() { m.conn.Close(); <-m.done; m.release() })
	return m
}

func (m *manager) take(state string, oob []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lines := strings.Split(state, "\n")
	name := ""
	for _, line := range lines {
		if v, ok := strings.CutPrefix(line, "FDNAME="); ok {
			name = v
		}
	}
	messages, _ := unix.ParseSocketControlMessage(oob)
	for _, msg := range messages {
		fds, _ := unix.ParseUnixRights(&msg)
		for _, fd := range fds {
			if !slices.Contains(lines, "FDSTORE=1") {
				unix.Close(fd) // the answer to BARRIER=1
				continue
			}
			m.files, m.names = append(m.files, os.NewFile(uintptr(fd), name)), append(m.names, name)
		}
	}
	if slices.Contains(lines, "FDSTOREREMOVE=1") {
		for i := len(m.names) - 1; i >= 0; i-- {
			if m.names[i] == name {
				m.files[i].Close()
				m.files, m.names = slices.Delete(m.files, i, i+1), slices.Delete(m.names, i, i+1)
			}
		}
	}
}

func (m *manager) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.files {
		f.Close()
	}
	m.files, m.names = nil, nil
}

func (m *manager) stored() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.names)
}

// start starts the service with what is in the store.
func (m *manager) start(t *testing.T, args ...string) *harness.Supervisor {
	t.Helper()
	return m.startWith(t, nil, args...)
}

// startWith starts the service with the socket of a socket unit, which is called
// web, and what is in the store.
func (m *manager) startWith(t *testing.T, unit *os.File, args ...string) *harness.Supervisor {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := t.TempDir()
	env := []string{"NOTIFY_SOCKET=" + m.addr}
	files, names := slices.Clone(m.files), slices.Clone(m.names)
	if unit != nil { // systemd, too, puts these first
		files, names = slices.Insert(files, 0, unit), slices.Insert(names, 0, "web")
	}
	if len(files) > 0 {
		env = append(env, "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	return launch(t, harness.Config{
		Dir: dir, Bare: true, Args: append([]string{"--workers", "2", "--control", filepath.Join(dir, "control.sock")}, args...),
		Prefix: []string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, Env: env, Files: files,
	})
}

// again gives another descriptor of what is first in the store.
func (m *manager) again(t *testing.T) *os.File {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	fd, err := unix.FcntlInt(m.files[0].Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "again")
}
