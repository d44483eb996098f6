package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-go/tandem/worker"
)

// What the torturer tells its workers.
const (
	ledgerVariable = "TORTURE_LEDGER" // the socket on which they keep the account
	breakVariable  = "TORTURE_BREAK"  // "boot": exit at once; "bake": exit soon after ready; "careless": see careless
	chattyVariable = "TORTURE_CHATTY" // write so many bytes for each request
)

// work is the worker: plain handlers, and an account of what reached them.
func work() int {
	if os.Getenv(breakVariable) == "boot" {
		fmt.Fprintln(os.Stderr, "this build is broken")
		return 1
	}
	account, err := net.Dial("unixgram", os.Getenv(ledgerVariable))
	if err != nil {
		fmt.Fprintln(os.Stderr, "reach the ledger:", err)
		return 1
	}
	if os.Getenv(breakVariable) == "bake" {
		time.AfterFunc(50*time.Millisecond, func() {
			fmt.Fprintf(account, "dies %d -", os.Getpid())
			os.Exit(9)
		})
	}
	bad := os.Getenv(breakVariable) == "careless"
	if bad {
		careless()
	}
	chatter := 0
	if n, err := strconv.Atoi(os.Getenv(chattyVariable)); err == nil {
		chatter = n
	}
	pid := os.Getpid()
	mux := http.NewServeMux()
	mux.HandleFunc("/echo/", echo)
	mux.HandleFunc("GET /stream/", stream)
	mux.HandleFunc("GET /ws/", webSocket)
	mux.HandleFunc("GET /wedge", func(http.ResponseWriter, *http.Request) { wedge() })
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.URL.Query().Get("id"); id != "" {
			fmt.Fprintf(account, "began %d %s", pid, id)
			if bad && strings.HasSuffix(id, "7z") {
				fmt.Fprintf(account, "began %d %s", pid, id)
			}
			if chatter > 0 {
				fmt.Printf("%s %s\n", id, strings.Repeat("x", chatter))
			}
		}
		mux.ServeHTTP(w, r)
	})
	err = worker.Run(context.Background(), counted,
		worker.Logger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))),
		worker.ConfigureServer(func(s *http.Server) {
			s.Protocols = new(http.Protocols)
			s.Protocols.SetHTTP1(true)
			s.Protocols.SetUnencryptedHTTP2(true)
			s.ConnState = func(c net.Conn, state http.ConnState) {
				if state == http.StateNew {
					fmt.Fprintf(account, "holds %d %s", pid, c.RemoteAddr())
				}
			}
		}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// careless ends the process at once when it is asked to drain, as many a server
// does. For the test that such a one is found out; it begins requests twice, too.
func careless() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		<-asked
		// Not os.Exit: with the race detector that takes a second, in which everything
		// goes on to be served.
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}()
}

// echo answers in the form that strict.EchoJSON proves.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"target": r.RequestURI, "body_b64": base64.StdEncoding.EncodeToString(body), "body_len": len(body), "worker": worker.Self().ID,
	})
}

const (
	streamChunks = 20
	streamEvery  = 40 * time.Millisecond
)

// stream sends its chunks one by one; each names the request.
func stream(w http.ResponseWriter, r *http.Request) {
	ticker := time.NewTicker(streamEvery)
	defer ticker.Stop()
	id := r.URL.Query().Get("id")
	for i := range streamChunks {
		fmt.Fprintf(w, "%s %d\n", id, i)
		if http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		}
	}
}

// webSocket echoes until the worker drains, and says then that it restarts. What
// it has received by then it has answered.
func webSocket(w http.ResponseWriter, r *http.Request) {
	draining := worker.Draining(r.Context())
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	ctx, stop := context.WithCancel(context.WithoutCancel(r.Context()))
	defer stop()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		select {
		case <-draining:
			_ = conn.Close(websocket.StatusServiceRestart, "restarting")
		case <-ctx.Done():
		}
	}()
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil || conn.Write(ctx, kind, message) != nil {
			select {
			case <-draining:
				<-closed // what the client has sent meanwhile would reset the connection under the word of the close
			default:
			}
			return
		}
	}
}

// wedge takes this process's scheduler away for good: system calls of which the
// runtime is not told, one for each of its processors. Nothing runs any more, not
// even the beat.
func wedge() {
	for range runtime.GOMAXPROCS(0) + 1 {
		go func() {
			for {
				_, _, _ = syscall.RawSyscall(syscall.SYS_PAUSE, 0, 0, 0)
			}
		}()
	}
	for {
		_, _, _ = syscall.RawSyscall(syscall.SYS_PAUSE, 0, 0, 0)
	}
}
