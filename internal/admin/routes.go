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

// routes says what is where.
func (s *Server) routes(backend Backend, metrics http.Handler) http.Handler {
	pages := map[string]http.HandlerFunc{
		"/livez":   func(w http.ResponseWriter, r *http.Request) { s.livez(w, r, backend) },
		"/readyz":  func(w http.ResponseWriter, r *http.Request) { s.readyz(w, r, backend) },
		"/metrics": func(w http.ResponseWriter, r *http.Request) { s.metrics(w, r, metrics) },
		"/":        func(w http.ResponseWriter, r *http.Request) { s.page(w, r, backend) },
		"/live":    func(w http.ResponseWriter, r *http.Request) { s.live(w, r, backend) },
	}
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
			reply(w, http.StatusNotFound, "there is no such page; there are /livez, /readyz, /metrics, /live and /")
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
