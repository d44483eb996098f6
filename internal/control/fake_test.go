package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/timeline"
)

// fake is a supervisor that does nothing but remember what it was asked.
type fake struct {
	mu     sync.Mutex
	asked  []string
	err    error
	status Status
	reload func(ctx context.Context, wait bool) (ReloadResult, error)
}

func (f *fake) note(format string, args ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fake) Status(context.Context) (Status, error) { return f.status, f.note("status") }

func (f *fake) Reload(ctx context.Context, wait bool) (ReloadResult, error) {
	err := f.note("reload wait=%t", wait)
	if f.reload != nil {
		return f.reload(ctx, wait)
	}
	return ReloadResult{Generation: 2}, err
}

func (f *fake) Scale(_ context.Context, n int) error   { return f.note("scale %d", n) }
func (f *fake) Stop(_ context.Context, now bool) error { return f.note("stop now=%t", now) }

func (f *fake) Logs(ctx context.Context, q LogQuery, w io.Writer) error {
	if q.Worker == 8 {
		return ErrNoWorker
	}
	if _, err := fmt.Fprintf(w, "%+v\n", q); err != nil || !q.Follow {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fake) Timeline(ctx context.Context, q timeline.Query, emit func([]timeline.Event) error) error {
	p, _ := PeerOf(ctx)
	_ = f.note("timeline %+v by uid %d, pid %d", q, p.UID, p.PID)
	if q.After == 13 {
		return errors.New("the disk is gone")
	}
	err := emit([]timeline.Event{{Seq: q.After + 1, Kind: timeline.State, Text: "running"}, {Seq: q.After + 2, Kind: "of another version", Text: "x"}})
	if err != nil || !q.Follow {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f *fake) Why(context.Context) (postmortem.Report, error) {
	return postmortem.Report{Records: []postmortem.Record{{ID: "20261122-203015-w7", Worker: 7, Count: 1}}}, f.note("why")
}

func (f *fake) Postmortem(_ context.Context, which string) (postmortem.Record, error) {
	if err := f.note("why %s", which); err != nil || which != "7" {
		return postmortem.Record{}, cmp.Or(err, postmortem.ErrNotFound)
	}
	return postmortem.Record{ID: "20261122-203015-w7", Worker: 7, Count: 1}, nil
}

func (f *fake) Upgrade(context.Context) (UpgradeResult, error) {
	return UpgradeResult{Version: "v2", From: "v1", PID: 4242}, f.note("upgrade")
}

// serve runs a server until the test ends; stop ends it earlier and waits.
func serve(t *testing.T, b Backend, change ...func(*Server)) (path string, stop func()) {
	t.Helper()
	path = filepath.Join(publicDir(t), "s")
	s := mustListen(t, path)
	s.Log = slog.New(slog.DiscardHandler)
	for _, c := range change {
		c(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, b) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Serve left the socket: %v", err)
		}
	})
	t.Cleanup(stop)
	return path, stop
}

func pointer[T any](v T) *T { return &v }
