package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// rivalCommand makes this program one of the servers that it measures.
const rivalCommand = "rival"

// workers is how many worker processes everything that has some is given.
const workers = 4

// rival runs `bench rival KIND [ARG…]` until TERM.
func rival(args []string) error {
	if len(args) < 2 {
		return errors.New("rival KIND ARG")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	switch kind := args[0]; kind {
	case "nethttp":
		ln, err := net.Listen("tcp", args[1])
		if err != nil {
			return err
		}
		return serveTwin(ctx, ln)
	case "prefork":
		return prefork(ctx, args[1])
	case "child":
		ln, err := net.FileListener(os.NewFile(3, "listener"))
		if err != nil {
			return err
		}
		return serveTwin(ctx, ln)
	case "chatty":
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return chatty(ctx, n, len(args) > 2)
	case "crowd":
		return crowd(ctx)
	case "listen":
		return listenTo(ctx, args[1])
	case "views":
		return serveViews(ctx)
	case "iterate":
		if len(args) != 3 {
			return errors.New("rival iterate URL orm|bun")
		}
		return iterateOnce(ctx, args[1], args[2])
	default:
		return fmt.Errorf("rival %s is not known", kind)
	}
}

// serveTwin is what a Go programmer writes without Tandem: the same answers
// with the same header, on net/http.
func serveTwin(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	timed := func(h func(w http.ResponseWriter, r *http.Request) any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			b, err := json.Marshal(h(w, r))
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Elapsed-Ms", strconv.FormatFloat(ms(time.Since(start)), 'f', 3, 64))
			_, _ = w.Write(b)
		}
	}
	mux.HandleFunc("GET /modern/", timed(func(http.ResponseWriter, *http.Request) any {
		return map[string]string{"hello": "async"}
	}))
	mux.HandleFunc("GET /busy/", timed(func(_ http.ResponseWriter, r *http.Request) any {
		q := r.URL.Query()
		n, _ := strconv.Atoi(q.Get("ms"))
		step := hashing()
		if q.Get("work") == "json" {
			step = encoding()
		}
		return map[string]float64{"busy_ms": ms(burn(time.Duration(n)*time.Millisecond, step))}
	}))
	mux.HandleFunc("GET /hello/", timed(func(_ http.ResponseWriter, r *http.Request) any {
		wait(r.Context(), helloWaits)
		return map[string]string{"hello": "async"}
	}))
	mux.HandleFunc("GET /wait/", func(w http.ResponseWriter, r *http.Request) {
		wait(r.Context(), longWait)
		_, _ = io.WriteString(w, "done")
	})
	mux.HandleFunc("GET /events/", twinEvents)
	mux.HandleFunc("/echo/", timed(func(_ http.ResponseWriter, r *http.Request) any {
		n, _ := io.Copy(io.Discard, r.Body)
		return map[string]any{"target": r.RequestURI, "body_len": n}
	}))
	srv := &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// hashing and encoding are the works of the app's /busy/.
func hashing() func() {
	sum := sha256.Sum256([]byte("twin"))
	return func() {
		for range 200 {
			sum = sha256.Sum256(sum[:])
		}
	}
}

func encoding() func() {
	type row struct {
		ID    int               `json:"id"`
		Title string            `json:"title"`
		Tags  map[string]string `json:"tags"`
	}
	rows := make([]row, 20)
	for i := range rows {
		rows[i] = row{i, "Riding in tandem", map[string]string{"front": "async", "rear": "sync"}}
	}
	return func() {
		text, err := json.Marshal(rows)
		if err != nil {
			panic(err)
		}
		if err := json.Unmarshal(text, new([]row)); err != nil {
			panic(err)
		}
	}
}

// wait is a sleep that ctx can end.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// burn uses d of this thread's CPU time, like the view that it is the twin of.
func burn(d time.Duration, step func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now := func() time.Duration {
		var t unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
		return time.Duration(t.Nano())
	}
	start := now()
	for now()-start < d {
		step()
	}
	return now() - start
}

// prefork is the plain way to several processes: one socket, inherited.
func prefork(ctx context.Context, addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for range workers {
		// Each child is given a description of its own flags' worth: os/exec
		// clears O_NONBLOCK on what it inherits, FileListener sets it again.
		file, err := ln.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, self, rivalCommand, "child", "3")
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 2 * time.Second
		cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", max(1, runtime.NumCPU()/workers)))
		cmd.Stderr = os.Stderr
		cmd.ExtraFiles = []*os.File{file}
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			return err
		}
		_ = file.Close()
		all.Go(func() { _ = cmd.Wait() })
	}
	all.Wait()
	return nil
}

// chatty writes n lines of 120 bytes to its stdout, and then, as a worker, is
// ready until TERM.
func chatty(ctx context.Context, n int, worker bool) error {
	if worker {
		c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
		if err != nil {
			return err
		}
		if _, err := c.Write([]byte("READY=1")); err != nil {
			return err
		}
	}
	// As a program logs: one write a line.
	tail := strings.Repeat("x", 108) + "\n"
	for i := range n {
		if _, err := fmt.Fprintf(os.Stdout, "%010d %s", i, tail); err != nil {
			return err
		}
	}
	if worker {
		<-ctx.Done()
	}
	return nil
}
