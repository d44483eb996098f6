package worker_test

import (
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// At a stop the supervisor may keep new connections out by a minimum hop limit.
// One whose handshake ends just then inherits it, and hears nothing until the
// drain lifts it. The handshake of a client that itself sends with the highest
// limit gets through at any time, so that it stands in for such a one.
func TestTheDrainLiftsAnInheritedHopLimit(t *testing.T) {
	for name, stopped := range map[string]bool{"accepted before the drain": false, "in the queue": true} {
		t.Run(name, func(t *testing.T) {
			fd, addr := listen(t)
			p := start(t, fd)
			if stopped {
				p.signal(t, syscall.SIGSTOP)
			}
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MINTTL, 255); err != nil {
				t.Fatal(err)
			}
			c := dialTTL(t, addr, 255)
			raw, err := c.Conn.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			if err := raw.Control(func(fd uintptr) {
				if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, 64); err != nil {
					t.Error(err)
				}
			}); err != nil {
				t.Fatal(err)
			}
			if err := unix.Close(fd); err != nil {
				t.Fatal(err)
			}
			if err := c.send("POST", "/", "late"); err != nil {
				t.Fatal(err)
			}
			p.signal(t, syscall.SIGTERM)
			if stopped {
				p.signal(t, syscall.SIGCONT)
			}
			if answer, _ := c.answered(t); answer != fmt.Sprintf("%d late", p.cmd.Process.Pid) {
				t.Errorf("answered %q", answer)
			}
			_ = c.Close()
			p.code(t, 0)
		})
	}
}
