package worker_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/scoreboard"
	"github.com/tandem-go/tandem/worker"
)

// The test binary is also the workers under test: started with helperVariable
// it becomes one of these.
const helperVariable = "WORKER_TEST_HELPER"

var helpers = map[string]func() int{
	"serve":    helpServe,
	"identity": helpIdentity,
}

var used struct {
	sync.Mutex
	helpers map[string]bool
}

func getDeathSignal(signal *int32) error {
	return unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(signal)), 0, 0, 0)
}

// deathSignal is what the main thread would get with its parent's death, after
// the worker package's init: seen from an init, which runs on that thread.
var deathSignal int

func init() {
	var signal int32
	if err := getDeathSignal(&signal); err != nil {
		panic(err)
	}
	deathSignal = int(signal)
}

func TestMain(m *testing.M) {
	if name := os.Getenv(helperVariable); name != "" {
		os.Exit(helpers[name]())
	}
	flag.Parse()
	used.helpers = map[string]bool{}
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" &&
		flag.Lookup("test.bench").Value.String() == "" && flag.Lookup("test.list").Value.String() == ""
	if code == 0 && whole {
		for name := range helpers {
			if !used.helpers[name] {
				fmt.Println("no test uses the helper", name)
				code = 1
			}
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Println(err)
			code = 1
		}
	}
	os.Exit(code)
}

const (
	exitLeak = 9
	exitCut  = 5
)

// helpServe is a worker with views for every way to be in the middle of things.
func helpServe() int {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%d %s", os.Getpid(), body)
	})
	mux.HandleFunc("/until-drain", func(w http.ResponseWriter, r *http.Request) {
		<-worker.Draining(r.Context())
		io.WriteString(w, "finished")
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begin,")
		w.(http.Flusher).Flush()
		<-worker.Draining(r.Context())
		io.WriteString(w, "end")
	})
	mux.HandleFunc("/stuck", func(http.ResponseWriter, *http.Request) { select {} })
	mux.HandleFunc("/cancellable", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
		<-worker.Draining(r.Context())
		line, err := rw.ReadString('\n') // the client's last word, after the drain began
		if err == nil {
			io.WriteString(conn, "heard "+line)
		}
	})
	mux.HandleFunc("/past", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%d %d %s", os.Getpid(), worker.Requests(r.Context()), r.RemoteAddr)
	})
	mux.HandleFunc("/print", func(w http.ResponseWriter, _ *http.Request) {
		_, err := fmt.Println("a line of log")
		fmt.Fprint(w, err)
	})
	connections := make(chan int, 8)
	defer worker.OnDatabaseConnections(func(n int) { connections <- n })()
	mux.HandleFunc("/connections", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "told %d, %d", <-connections, worker.DatabaseConnections())
	})
	mux.HandleFunc("/child-sees", func(w http.ResponseWriter, r *http.Request) {
		out, err := exec.CommandContext(r.Context(), "/bin/sh", "-c", "env; ls -l /proc/self/fd").Output()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		w.Write(out)
	})
	opts := []worker.Option{worker.Logger(slog.New(slog.DiscardHandler)), worker.Addr("127.0.0.1:0")}
	for name, option := range map[string]func(time.Duration) worker.Option{"LINGER": worker.Linger, "DRAIN": worker.DrainTimeout, "PARK": worker.ParkAfter} {
		if d, err := time.ParseDuration(os.Getenv(name)); err == nil {
			opts = append(opts, option(d))
		}
	}
	if n, err := strconv.Atoi(os.Getenv("CONNECTIONS")); err == nil {
		opts = append(opts, worker.Limit(worker.Limits{Connections: n}))
	}
	if n, err := strconv.Atoi(os.Getenv("POOL")); err == nil {
		defer worker.ShowPool(func() sql.DBStats { return sql.DBStats{MaxOpenConnections: n, OpenConnections: 2, InUse: 1} })()
	}
	if d, err := time.ParseDuration(os.Getenv("HEADER")); err == nil {
		opts = append(opts, worker.ConfigureServer(func(s *http.Server) { s.ReadHeaderTimeout = d }))
	}
	if os.Getenv("LIFE") != "" {
		opts = append(opts, worker.Lifespan("life", func(context.Context) (worker.StopFunc, error) {
			return func(context.Context) error {
				_, err := fmt.Println("stopped")
				return err
			}, nil
		}))
	}
	if from, err := netip.ParsePrefix(os.Getenv("PROXY")); err == nil {
		opts = append(opts, worker.ProxyProtocol(from), worker.ConfigureServer(func(s *http.Server) {
			s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
				_ = c.RemoteAddr() // as who logs connections does
				return ctx
			}
		}))
	}
	if from, err := netip.ParsePrefix(os.Getenv("TRUSTED")); err == nil {
		opts = append(opts, worker.TrustedProxies(from))
	}
	if os.Getenv("TLS") != "" {
		opts = append(opts, worker.ConfigureServer(func(s *http.Server) {
			s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate()}}
		}))
	}
	if cert, key, ok := strings.Cut(os.Getenv("TLS_FILES"), ","); ok {
		opts = append(opts, worker.TLS(worker.Certificates{Pairs: []worker.CertificateFiles{{Cert: cert, Key: key}}}))
	}
	if os.Getenv("H2C") != "" {
		opts = append(opts, worker.ConfigureServer(func(s *http.Server) {
			s.Protocols = new(http.Protocols)
			s.Protocols.SetHTTP1(true)
			s.Protocols.SetUnencryptedHTTP2(true)
		}))
	}
	err := worker.Run(context.Background(), mux, opts...)
	if cut, is := errors.AsType[*worker.DrainError](err); is {
		json.NewEncoder(os.Stdout).Encode(cut)
		return exitCut
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getenv("STUCK") == "" {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitLeak
		}
	}
	return 0
}

type identity struct {
	Self        worker.Identity
	DeathSignal int
	Comm        string
}

func helpIdentity() int {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		panic(err)
	}
	json.NewEncoder(os.Stdout).Encode(identity{worker.Self(), deathSignal, strings.TrimSpace(string(comm))})
	return 0
}

// proc is a worker process and the supervisor's side of it.
type proc struct {
	cmd      *exec.Cmd
	id       string
	stdout   *os.File
	output   string // all of it, after the exit
	notify   *notify.Socket
	channel  *channel.Conn
	board    *scoreboard.Board
	messages chan notify.Message // all but beats
	beats    chan notify.Message
	stderr   strings.Builder
	exited   chan struct{}
}

// start starts a worker on the listening socket as a supervisor does, and waits
// until it says that it is ready.
func start(t *testing.T, listener int, env ...string) *proc {
	t.Helper()
	return startAmong(t, nil, listener, env...)
}

// startAmong starts it as one of several; nil: it stands alone.
func startAmong(t *testing.T, k *kin, listener int, env ...string) *proc {
	t.Helper()
	used.Lock()
	used.helpers["serve"] = true
	used.Unlock()
	p := &proc{messages: make(chan notify.Message, 64), beats: make(chan notify.Message, 1), exited: make(chan struct{})}
	var err error
	if p.notify, err = notify.Listen(); err != nil {
		t.Fatal(err)
	}
	if p.board, err = scoreboard.Create(); err != nil {
		t.Fatal(err)
	}
	mine, theirs, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	p.channel = mine
	p.id = "7"
	if k == nil {
		err = p.channel.Send(channel.Greeting(), p.board.FD())
	} else {
		p.id = k.next(t)
		err = p.channel.Send(channel.Greeting(channel.Scoreboard, channel.Fleet, channel.HandoverIn, channel.HandoverOut),
			p.board.FD(), k.fleet.FD(), k.in, k.out)
	}
	if err != nil {
		t.Fatal(err)
	}
	file := func(fd int) *os.File {
		twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(twin), "inherited")
	}
	// The shell knows the process's number before the program runs.
	p.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	p.cmd.ExtraFiles = []*os.File{file(listener)}
	if k != nil {
		for _, another := range k.also {
			p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, file(another))
		}
	}
	listeners := len(p.cmd.ExtraFiles)
	p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, file(theirs))
	_ = unix.Close(theirs)
	p.cmd.Env = append(slices.Clone(os.Environ()),
		helperVariable+"=serve", fmt.Sprintf("LISTEN_FDS=%d", listeners),
		"LISTEN_FDNAMES=http"+strings.Repeat(":http", listeners-1), "NOTIFY_SOCKET="+p.notify.Addr(),
		"WATCHDOG_USEC=30000", fmt.Sprintf("TANDEM_FD=%d", 3+listeners), "TANDEM_WORKER_ID="+p.id, "TANDEM_GENERATION=3")
	p.cmd.Env = append(p.cmd.Env, "GORACE=atexit_sleep_ms=0") // the detector's exit takes a second otherwise
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = &p.stderr
	var theirStdout *os.File
	if p.stdout, theirStdout, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = theirStdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range append(p.cmd.ExtraFiles, theirStdout) {
		_ = f.Close()
	}
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			m, err := p.notify.Read()
			if err != nil {
				return
			}
			if !m.Watchdog {
				p.messages <- m // a worker says less than there is room for
				continue
			}
			select {
			case p.beats <- m:
			default: // nobody has looked at the one before
			}
		}
	})
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		p.wait()
		_ = p.stdout.Close()
		_ = p.notify.Close()
		_ = p.channel.Close()
		_ = p.board.Close()
		readers.Wait()
	})
	go func() {
		defer close(p.exited)
		output, _ := io.ReadAll(p.stdout)
		p.output = string(output)
		_ = p.cmd.Wait() // how it ended is in ProcessState
		// The last datagram, behind all of the worker's own.
		_ = notify.Send(p.notify.Addr(), "STATUS=exited")
	}()
	if m := p.until(t, func(m notify.Message) bool { return m.Ready }); m.Status == "" {
		t.Error("ready without a status")
	}
	if m, _, err := p.channel.Receive(); err != nil || m.Type != channel.Hello || m.Version != channel.Version {
		t.Fatalf("the hello was answered by %+v, %v", m, err)
	}
	return p
}

// until waits for a notification of the worker.
func (p *proc) until(t *testing.T, want func(notify.Message) bool) notify.Message {
	t.Helper()
	for {
		var m notify.Message
		select {
		case m = <-p.messages:
		case m = <-p.beats:
		}
		if m.PID == os.Getpid() {
			t.Fatal("the worker ended before it said what the test waits for: ", p.stderr.String())
		}
		if want(m) {
			return m
		}
	}
}

func (p *proc) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (p *proc) wait() { <-p.exited }

// code waits for the exit, and fails the test when it is not the one wanted.
func (p *proc) code(t *testing.T, want int) {
	t.Helper()
	p.wait()
	if got := p.cmd.ProcessState; got.ExitCode() != want {
		t.Errorf("the worker ended with %v, want exit status %d; it said: %s%s", got, want, p.output, p.stderr.String())
	}
}

// listen makes the shared socket. The descriptor is a supervisor's: raw and
// non-blocking, and closed by the test's end unless closed before.
func listen(t *testing.T) (fd int, addr string) {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // as the supervisor's sockets are
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(c uintptr) { fd, err = unix.FcntlInt(c, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd, l.Addr().String()
}

func nonblocking(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&syscall.O_NONBLOCK != 0
}
