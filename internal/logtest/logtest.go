// Package logtest catches what is logged, for tests to read.
//
// The smallest use:
//
//	log, said := logtest.New()
//	store := timeline.New(dir, timeline.Options{Log: log})
//	// …
//	if !strings.Contains(said.String(), "on disk again") {
package logtest

import (
	"bytes"
	"log/slog"
	"sync"
)

// Log is what was written to it. It may be used from any goroutine.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// New gives a logger, and what it logs: a line of text for each record from info
// on, without the time.
func New() (*slog.Logger, *Log) {
	l := new(Log)
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			return slog.Attr{}
		}
		return a
	}})), l
}

// Write takes what a handler writes.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is all of it since the last Take.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Take gives the same, once.
func (l *Log) Take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}
