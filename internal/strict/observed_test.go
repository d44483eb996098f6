package strict_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

// TestObserved: who observes is told of each request with its answer and its target as it was
// given, also of one over TLS whose end is that of its connection.
func TestObserved(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "service.test" || r.UserAgent() != "agent" || r.URL.RawQuery != "" {
			t.Errorf("%s %s %s", r.Host, r.UserAgent(), r.URL)
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprintf(rw, "HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\n%s", strings.Repeat("x", 1000))
		rw.Flush()
	}))
	defer server.Close()
	secure := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	secure.ServerName, secure.NextProtos = "example.com", []string{"http/1.1"}
	for _, unframed := range []bool{true, false} {
		var mu sync.Mutex
		seen := 0
		report := strict.Start(t.Context(), strict.Load{
			Addr: server.Listener.Addr().String(), TLS: secure, Host: "service.test", UserAgent: "agent", Unframed: unframed, Requests: 3, Duration: time.Minute,
			Groups: []strict.Group{{Mode: strict.Kept, Clients: 1, Target: "/x", Plain: true}},
			Observe: func(e strict.Event, a *strict.Answer) {
				mu.Lock()
				defer mu.Unlock()
				if seen++; e.Target != "/x" || (a != nil) != unframed {
					t.Errorf("%v: %+v", e, a)
				}
				if a != nil && (a.Status != 202 || !a.Unframed || !a.Close || len(a.Body) != 256) {
					t.Errorf("%d %v %v %d", a.Status, a.Unframed, a.Close, len(a.Body))
				}
			},
		}).Wait()
		want := strict.OK
		if !unframed {
			want = strict.Lost
		}
		if report.Counts[want] != 3 || seen != 3 {
			t.Errorf("%d observed: %s", seen, report)
		}
	}
}
