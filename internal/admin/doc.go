// Package admin is the supervisor's admin listener: read-only HTTP for probes,
// for Prometheus and for a person with a browser.
//
// Invariant: nothing can be changed through it, nothing secret is read through
// it (no environment, no command line, no line of a log, and of a request neither
// query nor path, but the pattern that it has matched), and no client, however
// many connections or live pages it holds open and however slowly it reads, keeps
// a probe from its answer or the supervisor from its work.
//
// The smallest use:
//
//	server, err := admin.Listen("127.0.0.1:9000")
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	server.History = recorder // for the live page
//	return server.Serve(ctx, backend, metrics)
package admin
