package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	// maxFollowers bounds who follows the log: they keep their connections, and
	// the commands need some too.
	maxFollowers = 16
	// followTimeout is how long a follower may take nothing at all.
	followTimeout = time.Minute
)

// LogQuery says which lines of the log are wanted.
type LogQuery struct {
	Worker uint64 // of that worker only; 0: of all, and the supervisor's own records
	Follow bool   // go on with what comes
	JSON   bool   // in the form of --log-format json, not of text
}

// ErrNoWorker says that there is no such worker, and none that ended lately.
var ErrNoWorker = errors.New("there is no such worker, and none of that number has ended lately")

func (q LogQuery) values() url.Values {
	v := url.Values{}
	if q.Worker != 0 {
		v.Set("worker", strconv.FormatUint(q.Worker, 10))
	}
	if q.Follow {
		v.Set("follow", "1")
	}
	if q.JSON {
		v.Set("format", "json")
	}
	return v
}

func parseLogQuery(v url.Values) (q LogQuery, err error) {
	for name, values := range v {
		text := values[len(values)-1]
		switch name {
		case "worker":
			if q.Worker, err = strconv.ParseUint(text, 10, 64); err != nil || q.Worker == 0 {
				return q, fmt.Errorf("worker=%q is not the number of a worker", text)
			}
		case "follow":
			if q.Follow, err = parseFollow(text); err != nil {
				return q, err
			}
		case "format":
			if q.JSON = text == "json"; !q.JSON && text != "text" {
				return q, fmt.Errorf("format=%q is not text or json", text)
			}
		default:
			return q, fmt.Errorf("there is no parameter %q; there are worker, follow and format", name)
		}
	}
	return q, nil
}

func parseFollow(text string) (bool, error) {
	switch text {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, fmt.Errorf("follow=%q is not 1 or 0", text)
}

// logs serves GET /v1/logs; followers has room for those that there may be.
func logs(w http.ResponseWriter, r *http.Request, b Backend, followers chan struct{}) {
	q, err := parseLogQuery(r.URL.Query())
	if err != nil {
		reply(w, http.StatusBadRequest, errorBody{err.Error()})
		return
	}
	out, done := stream(w, r, q.Follow, followers, "the log")
	if done == nil {
		return
	}
	defer done()
	out.json = q.JSON
	err = b.Logs(r.Context(), q, out)
	if errors.Is(err, ErrNoWorker) && !out.begun {
		reply(w, http.StatusNotFound, errorBody{fmt.Sprintf("worker %d: %v; supervisor status lists those that there are, supervisor why those that died", q.Worker, err)})
		return
	}
	out.end(err)
}

// stream makes ready for an answer that is written bit by bit, and with follow for
// one that has no end of its own, if there is room for one more who follows what.
// The caller calls done at the end. Without it the request has been answered.
func stream(w http.ResponseWriter, r *http.Request, follow bool, followers chan struct{}, what string) (out *logWriter, done func()) {
	rc := http.NewResponseController(w)
	var undo []func()
	if follow {
		undo = append(undo, hold(r)) // an upgrade does not wait for it, and cuts it off
		refused := func(code int, text string) (*logWriter, func()) {
			undo[0]()
			reply(w, code, errorBody{text})
			return nil, nil
		}
		select {
		case followers <- struct{}{}:
			undo = append(undo, func() { <-followers })
		default:
			return refused(http.StatusServiceUnavailable, fmt.Sprintf("%d others follow %s already, and that is the limit: end one of them", maxFollowers, what))
		}
		// When the deadline of the request passes, net/http ends its context.
		if err := rc.SetReadDeadline(time.Time{}); err != nil {
			<-followers
			return refused(http.StatusInternalServerError, "lift the deadline of the request: "+err.Error())
		}
	}
	// Who is stuck in a write is not to hold up the end; who is not gets it whole.
	stop := context.AfterFunc(r.Context(), func() { _ = rc.SetWriteDeadline(time.Now().Add(endTimeout / 2)) })
	undo = append(undo, func() { stop() })
	return &logWriter{w: w, rc: rc}, func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}
}

// end ends the answer, as err says that writing it went.
func (l *logWriter) end(err error) {
	switch {
	case err == nil, l.begun && errors.Is(err, context.Canceled):
	case l.begun:
		panic(http.ErrAbortHandler) // so that the reader knows that this is not all
	default:
		refuse(l.w, err)
	}
}

// logWriter sends on what it is given at once.
type logWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	json  bool
	begun bool
}

func (l *logWriter) Write(lines []byte) (int, error) {
	if !l.begun {
		l.begun = true
		kind := "text/plain; charset=utf-8"
		if l.json {
			kind = "application/x-ndjson"
		}
		l.w.Header().Set("Content-Type", kind)
	}
	if err := l.rc.SetWriteDeadline(time.Now().Add(followTimeout)); err != nil {
		return 0, err
	}
	n, err := l.w.Write(lines)
	if err == nil {
		err = l.rc.Flush()
	}
	return n, err
}

// open begins an answer that is read bit by bit; the caller closes it.
func (c *Client) open(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	res, err := c.do(ctx, http.MethodGet, path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 300 {
		return res.Body, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, c.explain(err)
	}
	return nil, c.refusal(res, text)
}

// Logs copies the lines that q wants to w: the last of each worker in the order
// of their time, and with Follow what comes, until the supervisor stops, the one
// worker that was asked for is gone, or ctx ends.
func (c *Client) Logs(ctx context.Context, q LogQuery, w io.Writer) error {
	body, err := c.open(ctx, "/v1/logs", q.values())
	if err != nil {
		return err
	}
	defer body.Close()
	out := &copied{w: w}
	if _, err = io.Copy(out, body); err == nil || out.err != nil {
		return out.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the supervisor at %s broke off: it has ended, or was upgraded, or this was read too slowly; run this again", c.path)
	}
	return c.explain(err)
}

// copied tells an error of the destination from one of the source.
type copied struct {
	w   io.Writer
	err error
}

func (c *copied) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err != nil {
		c.err = fmt.Errorf("write the answer: %w", err)
	}
	return n, err
}
