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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

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
	warnings := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})
	opts := []worker.Option{worker.Logger(slog.New(warnings)), worker.Addr("127.0.0.1:0")}
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
