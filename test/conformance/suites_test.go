package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/test/conformance/raw"
)

// suites are run against each server. The error is that of running one.
var suites = []struct {
	name  string // in the known lists
	title string // in the documentation
	cases int    // there are no fewer, whatever happens to the files
	run   func(context.Context, raw.Target) ([]verdict, error)
}{
	{"gunicorn", "gunicorn's request corpus", 193, gunicorn},
	{"http11probe", "Http11Probe", 138, http11Probe},
	{"h2spec", "h2spec", 145, h2spec},
}

// servers are what the suites are run against.
var servers = []struct {
	name  string
	known string // the list of what it fails
	tls   bool
	args  []string
}{
	{"worker", "worker", false, nil},
	{"worker, TLS", "worker", true, []string{"-tls"}},
	{"net/http", "nethttp", false, []string{"-plain"}},
	{"net/http, TLS", "nethttp", true, []string{"-plain", "-tls"}},
}

func TestPublicSuites(t *testing.T) {
	scores := make([][]score, len(servers)) // each in the order of the suites
	for i := range scores {
		scores[i] = make([]score, len(suites))
	}
	t.Run("each", func(t *testing.T) {
		for i, server := range servers {
			t.Run(server.name, func(t *testing.T) {
				t.Parallel()
				at := raw.Target{Addr: start(t, server.args...).Addr, TLS: server.tls}
				results := make([]struct {
					verdicts []verdict
					err      error
				}, len(suites))
				var all sync.WaitGroup // what they do is wait
				for i, suite := range suites {
					all.Go(func() { results[i].verdicts, results[i].err = suite.run(t.Context(), at) })
				}
				all.Wait()
				for j, suite := range suites {
					t.Run(suite.name, func(t *testing.T) {
						if err := results[j].err; errors.Is(err, errNoH2spec) && os.Getenv("CI") == "" {
							t.Skip(err)
						} else if err != nil {
							t.Fatal(err)
						}
						if n := len(results[j].verdicts); n != suite.cases {
							t.Errorf("%d cases, want %d", n, suite.cases)
						}
						list := known(t, server.known, suite.name)
						maps.Copy(list, known(t, server.known, suite.name+"/"+transport(server.tls)))
						scores[i][j] = judge(t, results[j].verdicts, list)
						t.Log(scores[i][j])
					})
				}
			})
		}
	})
	for _, of := range scores {
		for _, s := range of {
			if t.Failed() || s.total == 0 {
				return // the documentation has the scores of all, and not all were run
			}
		}
	}
	header, rows := []string{"suite", "cases"}, make([][]string, len(suites))
	for _, server := range servers {
		header = append(header, server.name)
	}
	for j, suite := range suites {
		rows[j] = []string{suite.title, fmt.Sprint(suite.cases)}
		for i := range servers {
			rows[j] = append(rows[j], fmt.Sprint(scores[i][j].good))
		}
	}
	isInDocs(t, "scores", table(header, rows))
}

// transport is what a known list calls it, where a case fails on one only.
func transport(tls bool) string {
	if tls {
		return "tls"
	}
	return "clear"
}
