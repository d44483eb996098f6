package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestGetAsksUntilTheAnswerIsGood(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("here"))
	}))
	defer server.Close()
	body, err := getUntil(t.Context(), server.Client(), server.URL, time.Millisecond)
	if err != nil || string(body) != "here" || asked.Load() != 3 {
		t.Errorf("%q, %v after %d requests", body, err, asked.Load())
	}
}

// helm test asks under the service's name, for which the certificate need not be, and has no authority to check it by.
func TestGetVerifiesUnlessItIsToldNotTo(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.Proto))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshake that is refused
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	if body, err := getOnce(t.Context(), http.DefaultClient, server.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without --insecure: %q, %v", body, err)
	}
	var stdout, stderr bytes.Buffer
	if code := getCommand([]string{"--insecure", server.URL}, &stdout, &stderr); code != 0 || stdout.String() != "HTTP/2.0" {
		t.Errorf("with --insecure: exit %d, %q, %s", code, &stdout, &stderr)
	}
}

func TestGetSaysWhatTheLastAnswerWas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "broken for good", http.StatusTeapot)
		time.AfterFunc(time.Millisecond, cancel)
	}))
	defer server.Close()
	_, err := getUntil(ctx, server.Client(), server.URL, time.Hour)
	if err == nil || !strings.Contains(err.Error(), "418") || !strings.Contains(err.Error(), "broken for good") {
		t.Errorf("error is %v", err)
	}
}
