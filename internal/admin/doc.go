// Package admin is the supervisor's admin listener: read-only HTTP for probes,
// for Prometheus and for a person with a browser.
//
// Invariant: nothing can be changed through it, nothing secret is read through
// it (no environment, no command line, no line of a log), and no client,
// however many connections it holds open, keeps a probe from its answer.
//
// The smallest use:
//
//	server, err := admin.Listen("127.0.0.1:9000")
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	return server.Serve(ctx, backend, metrics)
package admin
