package main

import (
	"context"
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
