package middleware

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
)

// Format is how a line of the access log looks.
type Format uint8

// The formats. Common and Combined are those of Apache and nginx; JSON is one
// object a line, with the most in it.
const (
	Common Format = iota
	Combined
	JSON
)

// UnmarshalText reads "common", "combined" or "json".
func (f *Format) UnmarshalText(text []byte) error {
	for i, name := range []string{"common", "combined", "json"} {
		if string(text) == name {
			*f = Format(i)
			return nil
		}
	}
	return fmt.Errorf("%q is none of common, combined, json", text)
}

// Log is how [AccessLog] does it.
type Log struct {
	Format Format
	Worker uint64                                 // in JSON; 0 is left out
	Skip   func(*view.Request, view.Outcome) bool // requests to leave out; nil: none
	Client func(*view.Request) string             // who asks; nil: the client's address, see view.Request.RemoteAddr
}

// SkipPaths is a [Log.Skip] for requests that nobody wants to read of while all is
// well, such as those that ask whether a worker is: those of one of the paths whose
// answer is below 400. A path that ends in a slash stands for all below it too.
func SkipPaths(paths ...string) func(*view.Request, view.Outcome) bool {
	return func(r *view.Request, o view.Outcome) bool {
		if o.Status == 0 || o.Status >= 400 {
			return false
		}
		path := r.URL().Path
		for _, p := range paths {
			if path == p || strings.HasSuffix(p, "/") && strings.HasPrefix(path, p) {
				return true
			}
		}
		return false
	}
}

// AccessLog writes one line for each request to w when it is over, by one Write
// each, one at a time. It is an option of [view.New], made of [view.Observe], so it
// has what no route takes, what was cut, and 499 for clients that left. The server
// sends the last of an answer when its line has been written: a w that blocks
// holds requests up.
//
// In JSON: time (of arrival), msg ("request"), client, user, method, target,
// protocol, scheme, host, status (0: cut before there was one), bytes (of the answer's body),
// received (of the request's), duration_ms, first_byte_ms (of that, until the answer
// began), queue_ms (waiting for permits), crossings, queries (of databases),
// queries_ms (the sum of theirs), route, colour, request_id, trace_id and span_id (of
// [trace.Requests]), referer, user_agent, worker. What is unknown is empty.
//
// No client can forge a line. Common and Combined are printable ASCII: quotes,
// backslashes and all other bytes are written \xHH, in fields without quotes spaces
// too, and a lone "-" that is not the sign for nothing. In JSON that holds for text
// which is no UTF-8, and characters that do not print are written \uHHHH. A field
// beyond 4 KiB is cut and ends in "...". The target is there with its query, which
// may hold what should not be in a log.
//
// A w that fails is reported to slog.Default, once until it works again.
func AccessLog(w io.Writer, c Log) view.Option {
	l := &accessLog{Log: c, w: w}
	return view.Observe(l.observe)
}

type accessLog struct {
	Log
	mu     sync.Mutex // guards what follows, and orders the lines
	w      io.Writer
	buf    []byte
	failed bool
}

// line is what is known of one request.
type line struct {
	arrived                        time.Time
	client, user                   string
	method, target, protocol, host string
	scheme                         string // what the client speaks; in JSON
	status                         int
	bytes, received                int64
	duration, first, queue         time.Duration
	crossings, queries             int
	querying                       time.Duration
	route, colour, id              string
	traceID, spanID                string
	referer, agent                 string
	worker                         uint64
}

func (l *accessLog) observe(r *view.Request, o view.Outcome) {
	if l.Skip != nil && l.Skip(r, o) {
		return
	}
	one := line{
		arrived: time.Now().Add(-o.Duration), user: userName(r.User()),
		method: r.Method(), target: r.RequestURI(), protocol: r.Proto(), host: r.Host(),
		status: o.Status, bytes: o.Bytes, received: o.Received, duration: o.Duration, first: o.FirstByte, queue: o.QueueWait,
		crossings: o.Crossings, queries: o.Queries, querying: o.QueryTime,
		id: r.ID(), referer: r.Header().Get("Referer"), agent: r.Header().Get("User-Agent"), worker: l.Worker,
	}
	one.scheme = r.Scheme()
	if o.Plan != nil {
		one.route, one.colour = o.Plan.Pattern, o.Plan.Colour.String()
	}
	if l.Format == JSON {
		if span := trace.Of(r); span.Valid() {
			one.traceID, one.spanID = span.TraceID.String(), span.SpanID.String()
		}
	}
	if l.Client != nil {
		one.client = l.Client(r)
	} else {
		one.client = peer(r.RemoteAddr())
	}
	l.write(&one)
}

// peer is an address without its port.
func peer(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// userName is the user's name, or the id of one that has none.
func userName(u view.User) string {
	if u.Name == "" && u.ID != 0 {
		return strconv.FormatInt(u.ID, 10)
	}
	return u.Name
}

func (l *accessLog) write(one *line) {
	l.mu.Lock()
	l.buf = append(one.append(l.buf[:0], l.Format), '\n')
	_, err := l.w.Write(l.buf)
	report := err != nil && !l.failed
	l.failed = err != nil
	l.mu.Unlock()
	if report {
		slog.Error("access log cannot be written; its lines are lost", "error", err)
	}
}

// append appends the line, without its end.
func (e *line) append(b []byte, f Format) []byte {
	if f == JSON {
		return e.appendJSON(b)
	}
	b = append(appendToken(b, e.client), " - "...)
	b = append(appendToken(b, e.user), " ["...)
	b = append(e.arrived.AppendFormat(b, "02/Jan/2006:15:04:05 -0700"), `] "`...)
	b = append(appendToken(b, e.method), ' ')
	b = append(appendToken(b, e.target), ' ')
	b = append(appendToken(b, e.protocol), `" `...)
	if e.status < 100 {
		b = append(b, "000"...) // as nginx
	} else {
		b = strconv.AppendInt(b, int64(e.status), 10)
	}
	b = strconv.AppendInt(append(b, ' '), e.bytes, 10)
	if f == Combined {
		b = append(appendQuotable(append(b, ` "`...), e.referer), `" "`...)
		b = append(appendQuotable(b, e.agent), '"')
	}
	return b
}

func (e *line) appendJSON(b []byte) []byte {
	b = e.arrived.AppendFormat(append(b, `{"time":"`...), time.RFC3339Nano)
	b = append(b, `","msg":"request"`...)
	b = appendMember(b, "client", e.client)
	b = appendMember(b, "user", e.user)
	b = appendMember(b, "method", e.method)
	b = appendMember(b, "target", e.target)
	b = appendMember(b, "protocol", e.protocol)
	b = appendMember(b, "scheme", e.scheme)
	b = appendMember(b, "host", e.host)
	b = strconv.AppendInt(append(b, `,"status":`...), int64(e.status), 10)
	b = strconv.AppendInt(append(b, `,"bytes":`...), e.bytes, 10)
	b = strconv.AppendInt(append(b, `,"received":`...), e.received, 10)
	b = strconv.AppendFloat(append(b, `,"duration_ms":`...), milliseconds(e.duration), 'f', 3, 64)
	b = strconv.AppendFloat(append(b, `,"first_byte_ms":`...), milliseconds(e.first), 'f', 3, 64)
	b = strconv.AppendFloat(append(b, `,"queue_ms":`...), milliseconds(e.queue), 'f', 3, 64)
	b = strconv.AppendInt(append(b, `,"crossings":`...), int64(e.crossings), 10)
	b = strconv.AppendInt(append(b, `,"queries":`...), int64(e.queries), 10)
	b = strconv.AppendFloat(append(b, `,"queries_ms":`...), milliseconds(e.querying), 'f', 3, 64)
	b = appendMember(b, "route", e.route)
	b = appendMember(b, "colour", e.colour)
	b = appendMember(b, "request_id", e.id)
	b = appendMember(b, "trace_id", e.traceID)
	b = appendMember(b, "span_id", e.spanID)
	b = appendMember(b, "referer", e.referer)
	b = appendMember(b, "user_agent", e.agent)
	if e.worker != 0 {
		b = strconv.AppendUint(append(b, `,"worker":`...), e.worker, 10)
	}
	return append(b, '}')
}
