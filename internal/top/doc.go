// Package top shows a supervisor and its workers on a full screen, as they are
// now. Its invariant: nothing is changed without a yes, and whatever a worker has
// written, what reaches the terminal is printable text that fits its place.
//
// State is in a [Model], which messages change and a function draws; neither waits
// for anything. What is shown of rates and latencies is computed from two answers
// of GET /v1/status, so that a supervisor has no more to do than to answer.
//
// The smallest use:
//
//	err := top.Run(ctx, top.Options{Source: client, Interval: time.Second})
package top
