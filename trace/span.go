package trace

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"

	"github.com/tandem-go/tandem/view"
)

// TraceID names a trace. Zero is none.
type TraceID [16]byte

// String is the id in 32 hexadecimal digits, in lower case.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// SpanID names one operation of a trace, such as a request at one server. Zero is
// none.
type SpanID [8]byte

// String is the id in 16 hexadecimal digits, in lower case.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// Flags are those of a traceparent.
type Flags byte

// The flags that there are. All others are 0.
const (
	Sampled Flags = 1 << iota // the caller may have recorded it
	Random                    // the last 7 bytes of the trace's id are random
)

// SpanContext is a place in a trace: what a traceparent and its tracestate say. The
// zero value is none.
type SpanContext struct {
	TraceID TraceID
	SpanID  SpanID // the parent of whatever is called from here
	Flags   Flags
	State   string // the tracestate, checked and in one line; see [ParseTracestate]
}

// Valid says whether it is a place in a trace: neither id is zero.
func (c SpanContext) Valid() bool { return c.TraceID != TraceID{} && c.SpanID != SpanID{} }

// New starts a trace. Its ids are random, and it is not sampled: nobody records it
// yet.
func New() SpanContext {
	var c SpanContext
	for c.TraceID == (TraceID{}) {
		binary.BigEndian.PutUint64(c.TraceID[:8], rand.Uint64())
		binary.BigEndian.PutUint64(c.TraceID[8:], rand.Uint64())
	}
	c.Flags = Random
	return c.Child()
}

// Child is the place of an operation that c has begun: of the same trace, with a
// random id of its own.
func (c SpanContext) Child() SpanContext {
	c.SpanID = SpanID{}
	for c.SpanID == (SpanID{}) {
		binary.BigEndian.PutUint64(c.SpanID[:], rand.Uint64())
	}
	return c
}

// Attr is both ids for a log record, as trace_id and span_id beside the others; of
// the zero value it is nothing. Records that are logged with a context have them by
// [LogHandler]; this is for sync code, which has none:
//
//	slog.Info("charged", trace.Of(r).Attr())
func (c SpanContext) Attr() slog.Attr {
	if !c.Valid() {
		return slog.Attr{}
	}
	return slog.Attr{Value: slog.GroupValue(slog.String("trace_id", c.TraceID.String()), slog.String("span_id", c.SpanID.String()))}
}

type key struct{}

// carrier is a context with a place in a trace.
type carrier struct {
	context.Context
	span SpanContext
}

// Value finds the place.
func (c *carrier) Value(k any) any {
	if _, ok := k.(key); ok {
		return &c.span
	}
	return c.Context.Value(k)
}

// NewContext returns a context under ctx whose operations are below c. The contexts
// that package bridge makes of it have it too, in both colours.
func NewContext(ctx context.Context, c SpanContext) context.Context { return &carrier{ctx, c} }

// FromContext returns the place in a trace that ctx belongs to; the zero value if
// there is none.
func FromContext(ctx context.Context) SpanContext {
	if c, ok := ctx.Value(key{}).(*SpanContext); ok {
		return *c
	}
	return SpanContext{}
}

// Of returns a request's place in its trace, for sync code and observers, which have
// no context; the zero value if there is none.
func Of(r *view.Request) SpanContext {
	if c, ok := view.Value[*SpanContext](r, key{}); ok {
		return *c
	}
	return SpanContext{}
}
