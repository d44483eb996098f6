package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
	"github.com/tandem-go/tandem/worker"
)

// paths are those of a list, checked, as they were given.
type paths string

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *paths) UnmarshalText(text []byte) error {
	switch string(text) {
	case "":
		return nil
	case "none":
		*p = ""
		return nil
	}
	for path := range strings.SplitSeq(string(text), ",") {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?# *{}") {
			return fmt.Errorf("%q is no path; give paths with commas between, such as /healthz,/static/, or none", path)
		}
	}
	*p = paths(text)
	return nil
}

// list is the paths one by one.
func (p paths) list() []string {
	if p == "" {
		return nil
	}
	return strings.Split(string(p), ",")
}

// traceMode is what becomes of the traces that requests come with.
type traceMode string

const (
	continued traceMode = "continue"
	restarted traceMode = "restart"
	untraced  traceMode = "off"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *traceMode) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	*m = traceMode(text)
	return oneOf(text, string(continued), string(restarted), string(untraced))
}

// following gives requests their traces and has their lines written to w, as set.
func (s settings) following(w io.Writer) (options []view.Option) {
	switch s.Trace {
	case continued:
		options = append(options, trace.Requests())
	case restarted:
		options = append(options, trace.Requests(trace.Trust(func(*http.Request) bool { return false })))
	}
	if s.AccessLog.on {
		options = append(options, middleware.AccessLog(w, middleware.Log{
			Format: s.AccessLog.format, Worker: worker.Self().ID, Skip: middleware.SkipPaths(s.AccessLogSkip.list()...),
		}))
	}
	return options
}
