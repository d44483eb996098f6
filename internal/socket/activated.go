package socket

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstFD is where systemd's descriptors begin (SD_LISTEN_FDS_START).
const firstFD = 3

// Activated adopts the sockets that systemd passed to this very process, as
// environ (LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES) says; none if it passed none
// or the variables are meant for another process. They keep their numbers,
// become close on exec and non-blocking, and belong to the Listeners. The
// process's environment is not touched. Call it once, before anything else that
// opens or inherits descriptors. A socket that is passed twice is adopted once,
// by its first name: it has one queue, and would be served twice from it. (Two
// sockets may have one address, by SO_REUSEPORT; each has its own queue.)
//
// What an earlier start has put into the service manager's descriptor store is
// passed in the same way, and is left to [Stored].
func Activated(environ []string) ([]*Listener, error) {
	names, err := passed(environ)
	if err != nil {
		return nil, err
	}
	var ls []*Listener
	seen := map[uint64]bool{} // by inode
	for i, name := range names {
		if kept(name) {
			continue
		}
		fd := firstFD + i
		err := listening(fd)
		var st unix.Stat_t
		if err == nil {
			err = unix.Fstat(fd, &st)
		}
		if err == nil && seen[st.Ino] {
			_ = unix.Close(fd)
			continue
		}
		if err == nil {
			seen[st.Ino] = true
			unix.CloseOnExec(fd)
			var l *Listener
			if l, err = newListener(fd, false); err == nil {
				l.name = name
				ls = append(ls, l)
				continue
			}
		}
		for _, l := range ls {
			_ = l.Close()
		}
		return nil, fmt.Errorf("adopt socket %q (descriptor %d) of systemd: %w", name, fd, err)
	}
	return ls, nil
}

// CountActivated is the number of sockets that [Activated] would adopt.
func CountActivated(environ []string) int {
	names, _ := passed(environ)
	n := 0
	for _, name := range names {
		if !kept(name) {
			n++
		}
	}
	return n
}

// passed gives the names of the descriptors that systemd passed to this very
// process, the first of which is firstFD.
func passed(environ []string) ([]string, error) {
	count, ok := lookup(environ, "LISTEN_FDS")
	if !ok {
		return nil, nil
	}
	pid, ok := lookup(environ, "LISTEN_PID")
	if !ok {
		return nil, nil
	}
	p, err := strconv.Atoi(pid)
	if err != nil {
		return nil, fmt.Errorf("read the sockets of systemd: LISTEN_PID=%q is not a process id", pid)
	}
	if p != os.Getpid() {
		return nil, nil
	}
	n, err := strconv.ParseUint(count, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("read the sockets of systemd: LISTEN_FDS=%q is not a number of descriptors", count)
	}
	if n == 0 {
		return nil, nil
	}
	return fdNames(environ, int(n))
}

// fdNames gives n names; sd_listen_fds(3) calls a socket without one "unknown".
func fdNames(environ []string, n int) ([]string, error) {
	v, ok := lookup(environ, "LISTEN_FDNAMES")
	if !ok {
		names := make([]string, n)
		for i := range names {
			names[i] = "unknown"
		}
		return names, nil
	}
	names := strings.Split(v, ":")
	if len(names) != n {
		return nil, fmt.Errorf("read the sockets of systemd: LISTEN_FDNAMES=%q has %d names, LISTEN_FDS=%d", v, len(names), n)
	}
	return names, nil
}

// lookup finds a variable as getenv does: the first one of that name counts.
func lookup(environ []string, key string) (string, bool) {
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, key+"="); ok {
			return v, true
		}
	}
	return "", false
}
