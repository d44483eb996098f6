package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// load runs a short load and ends it when the server has seen enough.
func load(t *testing.T, handler func(n int64, w http.ResponseWriter)) *tally {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := seen.Add(1)
		if n >= 20 {
			cancel()
		}
		handler(n, w)
	}))
	defer server.Close()
	return run(ctx, server.URL, 2, 2, time.Millisecond, 10*time.Second)
}

func TestEveryRequestIsCounted(t *testing.T) {
	result := load(t, func(int64, http.ResponseWriter) {})
	if result.requests < 20 || result.failed != 0 {
		t.Errorf("requests=%d failed=%d, want at least 20 and none", result.requests, result.failed)
	}
}

func TestFailuresAreNotRetriedAway(t *testing.T) {
	var closed, refused atomic.Int64
	result := load(t, func(n int64, w http.ResponseWriter) {
		switch {
		case n%5 == 0: // the connection dies under the request
			closed.Add(1)
			connection, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			connection.Close()
		case n%7 == 0:
			refused.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	want := int(closed.Load() + refused.Load())
	if want == 0 || result.failed != want {
		t.Errorf("failed=%d, want %d: %d closed, %d refused", result.failed, want, closed.Load(), refused.Load())
	}
}
