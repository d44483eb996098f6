package worker_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
	"github.com/tandem-go/tandem/worker"
)

// said collects log lines, and says when one has some words in it.
type said struct {
	words string
	heard chan struct{} // closed then

	mu   sync.Mutex
	text bytes.Buffer
	once sync.Once
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Contains(b, []byte(s.words)) {
		s.once.Do(func() { close(s.heard) })
	}
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// left is a worker with one view that was abandoned and goes on until end.
func left(t *testing.T, words string, opts ...worker.Option) (log *said, end chan struct{}, drain func() error) {
	t.Helper()
	log, end = &said{words: words, heard: make(chan struct{})}, make(chan struct{})
	permits := bridge.NewLimiter(1)
	app := view.New(view.Limits(bridge.Limits{Blocking: permits}), view.Logger(slog.New(slog.DiscardHandler)))
	app.Routes(view.Path("/", func(*view.Request) (view.Response, error) { <-end; return view.NoContent(), nil }, view.Deadline(100*time.Millisecond)))
	addr, stop := alone(t, app, append(opts, worker.Permits(permits), worker.Logger(slog.New(slog.NewTextHandler(log, nil))))...)
	resp, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusGatewayTimeout {
		t.Fatalf("answered %d", resp.StatusCode)
	}
	return log, end, stop
}

func TestADrainWaitsForAbandonedSyncCode(t *testing.T) {
	log, end, drain := left(t, "waiting for abandoned sync code")
	ended := make(chan error, 1)
	go func() { ended <- drain() }()
	<-log.heard
	if len(ended) != 0 {
		t.Error("the worker did not wait")
	}
	close(end)
	if err := <-ended; err != nil || strings.Contains(log.String(), "behind") {
		t.Errorf("%v\n%s", err, log)
	}
}

func TestADrainLeavesAbandonedSyncCodeBehindInTheEnd(t *testing.T) {
	log, end, drain := left(t, "leaving abandoned sync code behind", worker.DrainTimeout(200*time.Millisecond))
	defer close(end)
	if err := drain(); err != nil {
		t.Errorf("the drain failed, though every request was answered: %v", err)
	}
	<-log.heard
	if !strings.Contains(log.String(), "abandoned=1") {
		t.Error(log)
	}
}
