// Package conformance runs public suites against a worker that serves an
// application of the public packages: gunicorn's request corpus, Http11Probe and
// h2spec, in clear text and over TLS.
//
// Invariant: a case passes by the RFC's measure, or it is on a list that says why
// it does not, and a case on the list that passes fails the test. The same
// application on net/http alone has such a list too: it shows that the runners see
// what there is to be seen.
//
//	go test ./test/conformance
//	go test ./test/conformance -update      write scores and differences into docs/server.md
package conformance
