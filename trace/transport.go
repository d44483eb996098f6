package trace

import "net/http"

// Transport sends requests by next with the trace of their context: each has a place
// of its own below that of the context. What the request's header has of another
// trace is replaced. Requests without a trace go as they are.
//
// The other side learns the ids, and the tracestate that came with the request: do
// not use it for services that should not.
func Transport(next http.RoundTripper) http.RoundTripper { return transport{next} }

type transport struct{ http.RoundTripper }

// RoundTrip is http.RoundTripper's.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	c := FromContext(r.Context())
	if !c.Valid() {
		return t.RoundTripper.RoundTrip(r)
	}
	return t.RoundTripper.RoundTrip(With(r, c.Child()))
}

// CloseIdleConnections is what http.Client looks for.
func (t transport) CloseIdleConnections() {
	if next, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// With returns a copy of a request to another server that has c in its header, for
// round trippers, which must not change what they are given.
func With(r *http.Request, c SpanContext) *http.Request {
	sent := *r
	sent.Header = r.Header.Clone()
	if sent.Header == nil {
		sent.Header = make(http.Header, 2)
	}
	c.Inject(sent.Header)
	return &sent
}
