package worker_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/worker"
)

// One that is too many is told so and closed, one that asks for the worker's health
// is answered, and those that were there first go on.
func TestAConnectionTooManyIsTold(t *testing.T) {
	for name, opts := range map[string][]worker.Option{"clear": nil, "TLS": {withTLS()}} {
		t.Run(name, func(t *testing.T) {
			open := dial
			if opts != nil {
				open = dialTLS
			}
			addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, r.URL.Path)
			}), append(opts, worker.Limit(worker.Limits{Connections: 2}))...)
			first, second := open(t, addr), open(t, addr)
			for _, c := range []*client{first, second} {
				if answer, closing := c.must(t, "/first", ""); closing || answer != "/first" {
					t.Errorf("answered %q, closing %v", answer, closing)
				}
			}
			third := open(t, addr)
			if answer, closing := third.must(t, "/healthz", ""); closing || answer != "/healthz" {
				t.Errorf("health: answered %q, closing %v", answer, closing)
			}
			if _, err := io.WriteString(third, "GET /third HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(third)
			if err != nil || !bytes.HasPrefix(all, []byte("HTTP/1.1 503 ")) || !bytes.Contains(all, []byte("\r\nRetry-After: 1\r\n")) {
				t.Errorf("answered %q, %v", all, err)
			}
			if answer, closing := first.must(t, "/again", ""); closing || answer != "/again" {
				t.Errorf("answered %q, closing %v", answer, closing)
			}
			if err := drain(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Beyond those that are let in to be told nothing is read any more.
func TestACrowdOfConnectionsIsTurnedAway(t *testing.T) {
	var log bytes.Buffer
	addr, drain := alone(t, http.NotFoundHandler(), worker.Limit(worker.Limits{Connections: 1}), worker.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	kept := make([]*client, 1+worker.Telling)
	for i := range kept {
		kept[i] = dial(t, addr)
	}
	if status, _, closing, err := kept[len(kept)-1].get("/healthz"); status != http.StatusNotFound || closing || err != nil {
		t.Errorf("the last that is let in: %d, closing %v, %v", status, closing, err)
	}
	if all, err := io.ReadAll(dial(t, addr)); err != nil || !bytes.HasPrefix(all, []byte("HTTP/1.1 503 ")) {
		t.Errorf("answered %q, %v", all, err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "connections beyond the bound"); n < 1 || n > 3 || !strings.Contains(log.String(), "others=") && !strings.Contains(log.String(), "times=") {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}

// What waits for its answer counts, and what streams does not.
func TestRequestsInFlightAreBounded(t *testing.T) {
	arrived, end := make(chan struct{}), make(chan struct{})
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_ = http.NewResponseController(w).Flush()
		}
		if r.URL.Path == "/stream" || r.URL.Path == "/wait" {
			arrived <- struct{}{}
			<-end
		}
	}), worker.Limit(worker.Limits{InFlight: 1}))
	var clients []*client
	for _, path := range []string{"/stream", "/stream", "/wait"} {
		c := dial(t, addr)
		if err := c.send("GET", path, ""); err != nil {
			t.Fatal(err)
		}
		<-arrived
		clients = append(clients, c)
	}
	c := dial(t, addr)
	if status, _, closing, err := c.get("/"); status != http.StatusServiceUnavailable || closing || err != nil {
		t.Errorf("one too many: %d, closing %v, %v", status, closing, err)
	}
	if status, _, _, err := c.get("/livez"); status != http.StatusOK || err != nil {
		t.Errorf("health: %d, %v", status, err)
	}
	close(end)
	for _, c := range clients {
		if status, _, _, err := c.receive(); status != http.StatusOK || err != nil {
			t.Errorf("%d, %v", status, err)
		}
	}
	if status, _, _, err := c.get("/"); status != http.StatusOK || err != nil {
		t.Errorf("afterwards: %d, %v", status, err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// What waits for its client's body takes no place from others, and is bounded by itself.
func TestBodiesThatDoNotComeShutNobodyOut(t *testing.T) {
	arrived, end := make(chan struct{}), make(chan struct{})
	addr, drain := alone(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.ReadFull(r.Body, make([]byte, 1))
		}
		arrived <- struct{}{}
		if r.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, r.Body)
		} else {
			<-end
		}
	}), worker.Limit(worker.Limits{InFlight: 2}))
	post := func() *client {
		c := dial(t, addr)
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nb"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	var slow []*client
	for range 2 {
		slow = append(slow, post())
		<-arrived // and waits in a read in a moment
	}
	// Two more have places for themselves, once both bodies are waited for.
	answers := make(chan int)
	for range 2 {
		for admitted := false; !admitted; {
			answer := make(chan int, 1)
			go func() {
				status, _, _, _ := dial(t, addr).get("/")
				answer <- status
			}()
			select {
			case <-arrived:
				admitted = true
				go func() { answers <- <-answer }()
			case status := <-answer:
				if status != http.StatusServiceUnavailable {
					t.Fatal(status)
				}
			}
		}
	}
	one := post()
	if status, _, closing, err := one.receive(); status != http.StatusServiceUnavailable || !closing || err != nil {
		t.Errorf("one body too many: %d, closing %v, %v", status, closing, err)
	}
	_ = one.Close()
	close(end)
	for range 2 {
		if status := <-answers; status != http.StatusOK {
			t.Error(status)
		}
	}
	for i, c := range slow {
		_, _ = io.WriteString(c, "ody!")
		if status, _, _, err := c.receive(); status != http.StatusOK || err != nil {
			t.Errorf("body %d: %d, %v", i, status, err)
		}
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}
