package main

import (
	"net"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAnIdleWebSocketTakesLittle: of memory, with all that the app, its middleware and the worker have of it. The
// clients are bare descriptors, so that none of it is theirs.
func TestAnIdleWebSocketTakesLittle(t *testing.T) {
	const n, bound = 1000, 16 << 10
	addr, drain, ended := startWorker(t, newSite(newSettings(), nil, nil).app)
	to, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	open := func() int {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}); err != nil {
			t.Fatal(err)
		}
		handshake := "GET /ws/echo/ HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
			"Origin: http://" + addr + "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\r\n"
		if _, err := unix.Write(fd, []byte(handshake)); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 1024)
		if m, err := unix.Read(fd, answer); err != nil || !strings.HasPrefix(string(answer[:m]), "HTTP/1.1 101 ") {
			t.Fatalf("%q, %v", answer[:m], err)
		}
		return fd
	}
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		drain()
		if err := ended(); err != nil {
			t.Error(err)
		}
	}()
	for range 100 { // what the first ones take is there for all
		fds = append(fds, open())
	}
	before := inUse()
	for range n {
		fds = append(fds, open())
	}
	each := (inUse() - before) / n
	t.Logf("%d bytes for each of %d idle WebSockets", each, n)
	if each > bound {
		t.Errorf("%d bytes for each idle WebSocket, want at most %d", each, bound)
	}
}

// inUse is the memory of heap and stacks.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what the first one put off
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
