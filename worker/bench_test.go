package worker_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/worker"
)

// BenchmarkServe is what Run costs beside net/http alone: kept connections over
// loopback, the smallest handler.
func BenchmarkServe(b *testing.B) {
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	for _, base := range []struct {
		name         string
		header, idle time.Duration
	}{
		{"net-http", 0, 0},
		// The timeouts alone cost something; beside this one it is the wrapping.
		{"net-http-with-timeouts", 10 * time.Second, 75 * time.Second},
	} {
		b.Run(base.name, func(b *testing.B) {
			s := &http.Server{Handler: hello, ReadHeaderTimeout: base.header, IdleTimeout: base.idle}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = s.Serve(l) // ends with the Close below
			}()
			hammer(b, l.Addr().String())
			_ = s.Close()
			<-ended
		})
	}
	b.Run("worker", func(b *testing.B) {
		serving, ended := make(chan string, 1), make(chan error, 1)
		ctx, cancel := context.WithCancel(b.Context())
		go func() {
			ended <- worker.Run(ctx, hello, worker.Addr("127.0.0.1:0"), worker.Linger(0), worker.Logger(slog.New(slog.DiscardHandler)),
				worker.ConfigureServer(func(s *http.Server) { announce(s, serving) }))
		}()
		hammer(b, <-serving)
		cancel()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	})
}

func hammer(b *testing.B, addr string) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	defer b.StopTimer() // a drain is not a request's price
	before := cpuTime(b)
	defer func() { b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op") }()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		request := []byte("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
		answer := make([]byte, 4096)
		for pb.Next() {
			if _, err := conn.Write(request); err != nil {
				b.Error(err)
				return
			}
			if n, err := conn.Read(answer); err != nil || n < 5 || string(answer[n-5:n]) != "hello" {
				b.Errorf("answered %q, %v", answer[:n], err)
				return
			}
		}
	})
}

// cpuTime is what this process has used, client included: unlike the time on the
// wall it does not depend on what else the machine does.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkIdleConnection is what a connection costs this process between two
// requests. Its client is a descriptor, and costs it nothing.
func BenchmarkIdleConnection(b *testing.B) {
	serving, ended := make(chan string, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(b.Context())
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	go func() {
		ended <- worker.Run(ctx, hello, worker.Addr("127.0.0.1:0"), worker.Linger(0), worker.Logger(slog.New(slog.DiscardHandler)),
			worker.ConfigureServer(func(s *http.Server) { announce(s, serving) }))
	}()
	addr, err := netip.ParseAddrPort(<-serving)
	if err != nil {
		b.Fatal(err)
	}
	const n = 2000
	request, answer := []byte("GET / HTTP/1.1\r\nHost: test\r\n\r\n"), make([]byte, 4096)
	for b.Loop() {
		before := inUse()
		var fds []int
		for range n {
			fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err == nil {
				fds = append(fds, fd)
				err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()})
			}
			if err == nil {
				_, err = syscall.Write(fd, request)
			}
			if err == nil {
				_, err = syscall.Read(fd, answer)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(inUse()-before)/n, "B/connection")
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

// inUse is heap and stacks after two collections: the first moves what pools keep,
// the second frees it.
func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
