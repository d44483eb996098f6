package view

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Blocking makes a sync view of a plain net/http handler: one that blocks in code that
// cannot be stopped, and that [Path] would take for async. It runs inside a
// permit, after the request's body has arrived. What it writes is kept, in memory
// and beyond 256 KiB on disk, and sent when it has returned and the permit was
// given back, so a slow client holds none; a handler that panics has answered
// nothing yet and becomes a 500. So it cannot stream, hijack, or send informational
// statuses: its writer has no such methods, and drops statuses below 200. Its
// request's context ends like an async view's. Its header begins empty: what it sets
// comes in the place of what is there, as with [WithHeader].
//
// Plans call it view.Blocking unless the route has a [Name].
func Blocking(h http.Handler) SyncView {
	return func(r *Request) (Response, error) {
		req, done := r.lend(r.http)
		defer done()
		k := &kept{header: http.Header{}, left: -1}
		k.body.before, r.kept = r.kept, &k.body
		h.ServeHTTP(k, req)
		if k.err != nil {
			return nil, k.err
		}
		return k, nil
	}
}

// kept is a response that was written before it is sent.
type kept struct {
	header http.Header // the handler's; trailers come in after sent was made
	sent   http.Header // header as it was when the status came
	status int
	body   spool
	size   int64
	left   int64 // of the length that the handler has declared; -1: it has not
	err    error // of keeping
}

func (k *kept) Header() http.Header { return k.header }

// WriteHeader keeps the first status, as net/http does.
func (k *kept) WriteHeader(code int) {
	if code < 200 || k.status != 0 {
		return
	}
	k.status, k.sent = code, k.header.Clone()
	if n, err := strconv.ParseInt(k.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		k.left = n
	}
}

// Write keeps as much as the handler has declared.
func (k *kept) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	switch {
	case k.err != nil:
		return 0, k.err
	case !k.hasBody():
		return 0, http.ErrBodyNotAllowed
	}
	var over error
	if k.left >= 0 {
		if int64(len(b)) > k.left {
			b, over = b[:k.left], http.ErrContentLength
		}
		k.left -= int64(len(b))
	}
	n, err := k.body.Write(b)
	k.size += int64(n)
	if err != nil {
		k.err = fmt.Errorf("keep the response until it can be sent: %w", err)
		return n, k.err
	}
	return n, over
}

// hasBody says whether an answer of that status may have one.
func (k *kept) hasBody() bool {
	return k.status != http.StatusNoContent && k.status != http.StatusNotModified
}

// Respond sends what was written.
func (k *kept) Respond(w http.ResponseWriter, r *http.Request) error {
	k.WriteHeader(http.StatusOK)
	for name, values := range k.sent {
		put(w.Header(), name, values)
	}
	silent := k.size == 0 && r.Method == http.MethodHead // it may have left out what GET has
	if k.left < 0 && k.hasBody() && !silent && len(k.trailers()) == 0 {
		w.Header()["Content-Length"] = []string{strconv.FormatInt(k.size, 10)}
	}
	if err := k.body.rewind(); err != nil {
		return err
	}
	if k.size > 0 && w.Header()["Content-Type"] == nil && w.Header()["Content-Encoding"] == nil { // as net/http does
		w.Header().Set("Content-Type", http.DetectContentType(k.body.memory.Bytes()))
	}
	w.WriteHeader(k.status)
	if _, err := io.Copy(w, &k.body); err != nil {
		return fmt.Errorf("send the response that was kept: %w", err)
	}
	for _, name := range k.trailers() {
		w.Header()[name] = k.header[name]
	}
	return nil
}

// trailers are the names of those: declared before the body or named so after it.
func (k *kept) trailers() []string {
	var names []string
	for name := range k.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			names = append(names, name)
		}
	}
	for _, list := range k.sent["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			names = append(names, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	slices.Sort(names)
	return names
}
