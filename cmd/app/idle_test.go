package main

import (
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/worker"
)

// browser is what a browser says of itself, and of what it takes.
const browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"

// idling measures the app, its middleware and the worker with n clients that have
// sent a request, of which each has got an answer that begins so. The clients are bare
// descriptors, so that none of it is theirs. It is measured until it is within the bound,
// but only while all of them are there: a WebSocket that does not answer is given up a
// minute after it was opened, and then takes nothing.
func idling(t *testing.T, n int, bound int64, request func(addr string) string, status string) {
	t.Helper()
	const first = 100
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if need := uint64(2*(n+first) + 200); files.Cur < need { // the runtime has raised it to the hard limit
		t.Skipf("%d descriptors may be open, and both ends of %d connections take %d: raise the hard limit (ulimit -Hn)", files.Cur, n+first, need)
	}
	addr, drain, ended := startWorker(t, newSite(newSettings(), nil, nil).app, worker.ParkAfter(100*time.Millisecond))
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
		if _, err := unix.Write(fd, []byte(request(addr))); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 1024)
		if m, err := unix.Read(fd, answer); err != nil || !strings.HasPrefix(string(answer[:m]), status) {
			t.Fatalf("%q, %v", answer[:m], err)
		}
		return fd
	}
	began := time.Now()
	gone := func() bool { return time.Since(began) > 50*time.Second } // or nearly so, the first of them
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
	for range first { // what they take is there for all
		fds = append(fds, open())
	}
	before := inUse()
	for range n {
		fds = append(fds, open())
	}
	each := (inUse() - before) / int64(n)
	if gone() {
		t.Skipf("it took %s to open them, and the first are given up after a minute: this machine is too slow or too busy", time.Since(began))
	}
	t.Logf("%d bytes for each of %d that are idle, at once", each, n)
	for each > bound {
		if gone() {
			t.Fatalf("%d bytes for each, want at most %d", each, bound)
		}
		<-time.After(50 * time.Millisecond)
		each = (inUse() - before) / int64(n)
	}
	t.Logf("%d bytes in the end", each)
}

// TestAnIdleWebSocketTakesLittle: of memory. There are many, since with the first thousand half
// of the memory is what the collector, which runs seldom, leaves between what lives.
func TestAnIdleWebSocketTakesLittle(t *testing.T) {
	idling(t, 4000, 16<<10+detector, func(addr string) string {
		return "GET /ws/echo/ HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
			"Origin: http://" + addr + "\r\n" + browser + "\r\n"
	}, "HTTP/1.1 101 ")
}

// TestAnIdleConnectionTakesLittle, once it is parked.
func TestAnIdleConnectionTakesLittle(t *testing.T) {
	idling(t, 1000, 14<<10, func(addr string) string {
		return "GET /modern/ HTTP/1.1\r\nHost: " + addr + "\r\n" + browser + "\r\n"
	}, "HTTP/1.1 200 ")
}

// inUse is the memory of heap and stacks.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what the first one put off
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
