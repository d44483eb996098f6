package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
)

// Status is the contract's `status --json`. A pointer is what may be null.
type Status struct {
	State         string   `json:"state"`
	PID           int      `json:"pid"`
	Version       string   `json:"version"`
	Generation    int      `json:"generation"`
	UptimeSeconds float64  `json:"uptime_seconds"`
	Listeners     []string `json:"listeners"`
	LastReload    *Reload  `json:"last_reload"`
	Workers       []Worker `json:"workers"`
}

// Reload is how the last reload ended.
type Reload struct {
	Generation int    `json:"generation"`
	Result     string `json:"result"`
	Error      string `json:"error"`
}

// Worker is one worker of a [Status].
type Worker struct {
	ID          uint64   `json:"id"`
	PID         int      `json:"pid"`
	Generation  int      `json:"generation"`
	State       string   `json:"state"`
	AgeSeconds  float64  `json:"age_seconds"`
	Liveness    string   `json:"liveness"`
	Requests    *uint64  `json:"requests"`
	InFlight    *int64   `json:"in_flight"`
	Connections *int64   `json:"connections"`
	RSSBytes    *float64 `json:"rss_bytes"`

	DatabaseConnections int `json:"db_connections"`

	OldestRequestSeconds *float64  `json:"oldest_request_seconds"`
	OldestRequests       []Request `json:"oldest_requests"`
	Permits              []Permit  `json:"permits"`
}

// Request is one request in flight of a [Worker].
type Request struct {
	Method     string  `json:"method"`
	Route      string  `json:"route"`
	RequestID  string  `json:"request_id"`
	AgeSeconds float64 `json:"age_seconds"`
}

// Permit is a limiter of a [Worker].
type Permit struct {
	Limiter         string  `json:"limiter"`
	Limit           int64   `json:"limit"`
	InUse           int64   `json:"in_use"`
	Queue           int64   `json:"queue"`
	Rejected        uint64  `json:"rejected"`
	StarvingSeconds float64 `json:"starving_seconds"`
}

// Ready lists the ready workers.
func (s Status) Ready() []Worker {
	return slices.DeleteFunc(slices.Clone(s.Workers), func(w Worker) bool { return w.State != "ready" })
}

// PIDs lists the workers' process ids, sorted.
func PIDs(ws []Worker) []int {
	pids := make([]int, 0, len(ws))
	for _, w := range ws {
		pids = append(pids, w.PID)
	}
	slices.Sort(pids)
	return pids
}

func (s *Supervisor) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.Control)
		},
	}}
}

// RawStatus asks the control socket for the status and returns the JSON as it
// came.
func (s *Supervisor) RawStatus(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://control/v1/status", nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client().Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking supervisor %d for its status: %w", s.PID, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("asking supervisor %d for its status: %s: %s", s.PID, resp.Status, b)
	}
	return b, err
}

// Status asks the control socket for the status.
func (s *Supervisor) Status(ctx context.Context) (Status, error) {
	var st Status
	b, err := s.RawStatus(ctx)
	if err != nil {
		return st, err
	}
	if err := json.Unmarshal(b, &st); err != nil {
		return st, fmt.Errorf("status of supervisor %d: %w: %s", s.PID, err, b)
	}
	return st, nil
}

// Await polls the status until cond holds, ctx ends or the supervisor exits.
func (s *Supervisor) Await(ctx context.Context, what string, cond func(Status) bool) (Status, error) {
	var st Status
	var last error
	for {
		if st, last = s.Status(ctx); last == nil && cond(st) {
			return st, nil
		}
		select {
		case <-s.done:
			code, _ := exitCode(s.waitErr)
			return st, fmt.Errorf("waiting for %s: supervisor %d exited with %d; its stderr ends:\n%s", what, s.PID, code, s.Stderr.Tail(15))
		default:
		}
		if !pause(ctx) {
			return st, fmt.Errorf("waiting for %s: %w; last status %+v (%v); stderr ends:\n%s", what, ctx.Err(), st, last, s.Stderr.Tail(15))
		}
	}
}

// Ready waits until exactly n workers are ready, no other is there, and the
// state is running.
func (s *Supervisor) Ready(ctx context.Context, n int) (Status, error) {
	return s.Await(ctx, fmt.Sprintf("%d ready workers", n), func(st Status) bool {
		return st.State == "running" && len(st.Ready()) == n && len(st.Workers) == n
	})
}
