package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"github.com/tandem-go/tandem/worker"
)

// doomed is a Tandem worker with requests that end it:
//
//	GET /exit?code=N    exits
//	GET /panic          panics where nobody recovers
//	GET /wedge?n=N      starts N goroutines that wait, and takes the whole scheduler
//	GET /wait           does not end
func doomed() int {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /exit", func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("the worker was told to exit")
		code, _ := strconv.Atoi(r.URL.Query().Get("code"))
		os.Exit(code)
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) {
		go func() { panic("the worker was told to") }()
		select {}
	})
	mux.HandleFunc("GET /wedge", func(_ http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		for range n {
			go waitForEver()
		}
		for range runtime.GOMAXPROCS(0) + 1 {
			go holdProcessor()
		}
		holdProcessor()
	})
	mux.HandleFunc("GET /wait", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	if err := worker.Run(context.Background(), mux); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func waitForEver() { select {} }

// holdProcessor waits in a way that Go's scheduler cannot see.
func holdProcessor() {
	for {
		_, _, _ = syscall.RawSyscall(syscall.SYS_PAUSE, 0, 0, 0)
	}
}
