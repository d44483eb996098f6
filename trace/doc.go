// Package trace carries W3C trace context: who called, through this program, to
// whom it calls.
//
// The invariant: a trace that goes on is one that its caller sent by the letter of
// the recommendation (https://www.w3.org/TR/trace-context/, level 1 and 2). Of a
// traceparent that is wrong in any character nothing is taken, and of a wrong
// tracestate nothing either.
//
//	app := view.New(trace.Requests(), middleware.AccessLog(os.Stdout, middleware.Log{Format: middleware.JSON}))
//	client := &http.Client{Transport: trace.Transport(http.DefaultTransport)}
//	slog.SetDefault(slog.New(trace.LogHandler(slog.NewJSONHandler(os.Stderr, nil))))
//
// Each request then has a [SpanContext], which is in its context, in its line of the
// access log, in the records logged with its context, and one further on in what it
// asks of others. Nothing is recorded or sent anywhere: that is for an exporter,
// which takes the place of [New] and [SpanContext.Child] by [Start].
package trace
