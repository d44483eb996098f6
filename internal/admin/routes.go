package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// How long the supervisor's loop may take to answer. It never waits for a
// worker, so that on a machine that has any time for it these are generous; a
// liveness probe should allow more than probeTimeout.
const (
	probeTimeout = 2 * time.Second
	askTimeout   = 5 * time.Second
)

// A Page is one of those that the admin listener has.
type Page struct {
	Path  string
	Type  string // of its content
	About string // what it answers, for the reference

	serve func(s *Server, w http.ResponseWriter, r *http.Request, backend Backend, metrics http.Handler)
}

// Pages are all that there are. The listener serves these and no others.
func Pages() []Page {
	return []Page{
		{"/livez", "text/plain", fmt.Sprintf("200 while the supervisor's loop, which does all its work, answers within %v; else 503. Workers that hang do not change it: they are the supervisor's to replace.", probeTimeout), func(s *Server, w http.ResponseWriter, r *http.Request, backend Backend, _ http.Handler) {
			s.livez(w, r, backend)
		}},
		{"/readyz", "text/plain", "200 while at least one worker is ready; 503 during the start, when no worker is ready, and from the moment on that a stop is asked for. One line says why: `ready: running, 2 of 2 workers ready`.", func(s *Server, w http.ResponseWriter, r *http.Request, backend Backend, _ http.Handler) {
			s.readyz(w, r, backend)
		}},
		{"/metrics", "Prometheus's text format or OpenMetrics", fmt.Sprintf("[The series](metrics.md#series); 503 when the loop does not answer within %v.", askTimeout), func(s *Server, w http.ResponseWriter, r *http.Request, _ Backend, metrics http.Handler) {
			s.metrics(w, r, metrics)
		}},
		{"/", "text/html", "[The live page](live-page.md), for a person with a browser.", func(s *Server, w http.ResponseWriter, r *http.Request, backend Backend, _ http.Handler) {
			s.page(w, r, backend)
		}},
		{"/live", "text/event-stream", "[Its stream](live-page.md#the-stream); the page is its only reader, and what is in it may change with every release.", func(s *Server, w http.ResponseWriter, r *http.Request, backend Backend, _ http.Handler) {
			s.live(w, r, backend)
		}},
	}
}

// routes says what is where.
func (s *Server) routes(backend Backend, metrics http.Handler) http.Handler {
	pages := map[string]http.HandlerFunc{}
	var paths []string
	for _, p := range Pages() {
		paths = append(paths, p.Path)
		pages[p.Path] = func(w http.ResponseWriter, r *http.Request) { p.serve(s, w, r, backend, metrics) }
	}
	there := strings.Join(paths, ", ")
	host := s.hosts()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.ContentLength != 0 { // nothing here takes a body: do not wait for one
			h.Set("Connection", "close")
		}
		page, found := pages[r.URL.Path]
		switch {
		case !host(r.Host):
			reply(w, http.StatusMisdirectedRequest, "on a loopback address the admin listener answers to an IP address or localhost as the host alone, so that no other site's page can read it under a name of its own; a proxy in front of it sends one of these")
		case !found:
			reply(w, http.StatusNotFound, "there is no such page; there are "+there)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			reply(w, http.StatusMethodNotAllowed, "the admin listener is read-only: GET and HEAD; commands go to the control socket")
		default:
			page(w, r)
		}
	})
}

// hosts says to which hosts the listener answers. One that only this machine reaches is
// read by pages of other sites if their names may be made to lead here.
func (s *Server) hosts() func(host string) bool {
	addr, err := netip.ParseAddrPort(s.Addr().Address)
	if err != nil || !addr.Addr().IsLoopback() {
		return func(string) bool { return true }
	}
	return func(host string) bool {
		name, _, err := net.SplitHostPort(host)
		if err != nil {
			name = strings.Trim(host, "[]")
		}
		_, err = netip.ParseAddr(name)
		return err == nil || name == "" || name == "localhost"
	}
}

// livez says whether the supervisor is alive. It asks the loop, which does all
// of its work, and not this server, which would answer beside a loop that hangs.
func (s *Server) livez(w http.ResponseWriter, r *http.Request, backend Backend) {
	ctx, cancel := context.WithTimeout(r.Context(), s.probe)
	defer cancel()
	if _, err := backend.Health(ctx); err != nil {
		reply(w, http.StatusServiceUnavailable, "not alive: "+unanswered(err, s.probe))
		return
	}
	reply(w, http.StatusOK, "alive")
}

// readyz says whether new connections should be sent here.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request, backend Backend) {
	ctx, cancel := context.WithTimeout(r.Context(), s.probe)
	defer cancel()
	health, err := backend.Health(ctx)
	if err != nil {
		reply(w, http.StatusServiceUnavailable, "not ready: "+unanswered(err, s.probe))
		return
	}
	ready, why := health.readiness()
	if !ready {
		reply(w, http.StatusServiceUnavailable, why)
		return
	}
	reply(w, http.StatusOK, why)
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request, metrics http.Handler) {
	ctx, cancel := context.WithTimeout(r.Context(), s.ask)
	defer cancel()
	metrics.ServeHTTP(w, r.WithContext(ctx))
}

// unanswered puts into words why the supervisor's loop has not answered.
func unanswered(err error, limit time.Duration) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("the supervisor's loop has not answered within %s", limit)
	}
	return err.Error()
}

func reply(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}
