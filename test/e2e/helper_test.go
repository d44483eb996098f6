package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	ossignal "os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// helperMode is the variable that makes this test binary a foreign worker: one
// that knows systemd's protocol and nothing of Tandem. Its value says how the
// worker behaves:
//
//	serve       says READY=1, serves, ends at the first signal
//	boot-exit   says something on stderr and exits 3 at once
//	never-ready lives without a word of readiness
//	early-exit  says READY=1 and exits 1
//	deaf        serves, and takes no signal to heart that can be ignored
//	mute        serves, beats once and never again
//	daemons     serves, and has left a daemon and orphans that end with 3 and 4
//	doomed      is a Tandem worker, and no foreign one: see doomed_test.go
//	crowd       serves, has ten thousand goroutines, and prints the time every few ms
//	parent      serves, and has a child that outlives it and holds its streams
//	tandem      is no foreign one: it has views that hold permits, and one that
//	            stops its scheduler
const helperMode = "E2E_WORKER"

// helperStarts names a file to which each start of the helper adds a line with
// its time.
const helperStarts = "E2E_STARTS"

func noteStart() {
	path := os.Getenv(helperStarts)
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, time.Now().UnixNano())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// startTimes reads what noteStart wrote.
func startTimes(path string) []time.Time {
	b, _ := os.ReadFile(path)
	var at []time.Time
	for line := range strings.Lines(string(b)) {
		if ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64); err == nil {
			at = append(at, time.Unix(0, ns))
		}
	}
	return at
}

// workerInfo is what a worker tells of itself at /info.
type workerInfo struct {
	PID      int
	Environ  []string
	Args     []string
	Dir      string
	Umask    int
	Slack    int // of timers, ns
	Group    int
	Names    []string // what descriptors 3 and up are
	NonBlock bool     // of descriptor 3
}

func (w workerInfo) env(name string) (string, bool) {
	for _, kv := range w.Environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v, true
		}
	}
	return "", false
}

func helper(mode string) int {
	noteStart()
	signals := make(chan os.Signal, 4)
	ossignal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR2, syscall.SIGHUP)
	switch mode {
	case "tandem":
		return helpTandem()
	case "boot-exit":
		fmt.Fprintln(os.Stderr, "the helper has lost its templates")
		return 3
	case "never-ready":
		<-signals
		return 0
	case "early-exit":
		tell("READY=1")
		return 1
	case "doomed":
		ossignal.Reset()
		return doomed()
	case "serve", "mute":
	case "crowd":
		for range 10_000 {
			go func() { select {} }()
		}
		go func() {
			for range time.Tick(5 * time.Millisecond) {
				fmt.Printf("tick %d\n", time.Now().UnixNano())
			}
		}()
		ossignal.Reset(syscall.SIGABRT)
	case "deaf":
		ossignal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	case "daemons":
		for _, line := range []string{"(setsid sleep 300 >/dev/null 2>&1 &)", "(sh -c 'exit 3' &)", "(setsid sh -c 'exit 4' &)"} {
			if err := exec.Command("sh", "-c", line).Run(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
	case "parent":
		child := exec.Command("sleep", "300")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	default:
		fmt.Fprintf(os.Stderr, "%s=%s is not known\n", helperMode, mode)
		return 2
	}
	if n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS")); n < 1 {
		fmt.Fprintln(os.Stderr, "no socket was passed")
		return 1
	}
	ln, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /info", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(about()) })
	mux.HandleFunc("GET /write", handleWrite)
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		ms, _ := strconv.Atoi(r.URL.Query().Get("ms"))
		time.Sleep(time.Duration(ms) * time.Millisecond)
		fmt.Fprintln(w, "slow")
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) {
		go func() { panic("the helper was told to") }()
		select {}
	})
	mux.HandleFunc("GET /exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		os.Exit(code)
	})
	go func() { _ = http.Serve(ln, mux) }()
	tell("READY=1")
	if mode == "mute" {
		tell("WATCHDOG=1")
	}
	fmt.Printf("ended by signal %s\n", <-signals)
	return 0
}

// tell sends a state to the notify socket.
func tell(state string) {
	c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err == nil {
		_, err = c.Write([]byte(state))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "notify:", err)
	}
}

func about() workerInfo {
	w := workerInfo{PID: os.Getpid(), Environ: os.Environ(), Args: os.Args, Group: unix.Getpgrp()}
	w.Dir, _ = os.Getwd()
	w.Umask = unix.Umask(0)
	unix.Umask(w.Umask)
	w.Slack, _ = unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	for fd := 3; fd < 10; fd++ {
		to, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		w.Names = append(w.Names, to)
	}
	flags, _ := unix.FcntlInt(3, unix.F_GETFL, 0)
	w.NonBlock = flags&unix.O_NONBLOCK != 0
	return w
}

var writing sync.Mutex

// handleWrite writes n numbered lines of a length to both streams, and with
// die=1 kills its own process in the middle of the last.
func handleWrite(w http.ResponseWriter, r *http.Request) {
	writing.Lock()
	defer writing.Unlock()
	q := r.URL.Query()
	n, _ := strconv.Atoi(q.Get("n"))
	size, _ := strconv.Atoi(q.Get("size"))
	for i := range n {
		line := fmt.Sprintf("line %d %s\n", i, strings.Repeat("x", size))
		_, err := os.Stdout.WriteString("out " + line)
		_, err2 := os.Stderr.WriteString("err " + line)
		if err := errors.Join(err, err2); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	if text := q.Get("text"); text != "" {
		fmt.Println(text)
	}
	if q.Get("die") != "" {
		_, _ = os.Stdout.WriteString("out half a li")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}
