package static

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/tandem-go/tandem/internal/coding"
	"github.com/tandem-go/tandem/view"
)

// Route is the route of the files: GET and HEAD of all below the prefix. It is async and
// takes no permit. What is not there is an error of the view, as any other 404 is.
func (f *Files) Route(opts ...view.RouteOption) view.Route {
	own := []view.RouteOption{view.Name("static"), view.Doc(view.Documentation{Hidden: true})}
	return view.Path("GET "+f.o.Prefix, f.view, append(own, opts...)...)
}

// view finds the file. Where another response takes the place of its own the file is
// closed by the garbage collector.
func (f *Files) view(_ context.Context, r *view.Request) (view.Response, error) {
	there, err := f.under(r.URL().Path, r.Header())
	if err != nil {
		return nil, err
	}
	return &answer{there, f.o.Header}, nil
}

func (f *Files) under(urlPath string, h http.Header) (*found, error) {
	p, ok := strings.CutPrefix(urlPath, f.o.Prefix)
	if !ok {
		return nil, errNotFound
	}
	return f.at(p, h["Accept-Encoding"])
}

// ServeHTTP serves the files without package view: an error is answered in plain text,
// and methods other than GET and HEAD with 405.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	there, err := f.under(r.URL.Path, r.Header)
	if err == nil {
		err = (&answer{there, f.o.Header}).Respond(w, r)
	}
	if err == nil {
		return
	}
	e, said := errors.AsType[*view.Error](err)
	if !said {
		slog.WarnContext(r.Context(), "a static file was not sent whole", "path", r.URL.Path, "error", err)
	}
	if !said || e.Status == view.StatusClientGone {
		panic(http.ErrAbortHandler) // or it would look whole
	}
	for key, values := range e.Header {
		w.Header()[key] = values
	}
	message := e.Message // not its cause, which names the machine's files
	if message == "" {
		message = http.StatusText(e.Status)
	}
	http.Error(w, message, e.Status)
}

// answer sends a file, once.
type answer struct {
	*found
	header http.Header
}

// Respond sends the file, or of it what the request asks for, or says that the client
// has it. Its error is a *view.Error if nothing was sent, or if the client has hung up.
func (a *answer) Respond(w http.ResponseWriter, r *http.Request) error {
	defer a.file.Close()
	h := w.Header()
	for key, values := range a.header {
		if key == "Vary" { // middleware may have said of what else the answer depends
			values = append(h[key][:len(h[key]):len(h[key])], values...)
		}
		h[key] = values[:len(values):len(values)]
	}
	h["X-Content-Type-Options"] = noSniff
	if h["Content-Type"] == nil { // as with all responses, WithHeader comes first
		h["Content-Type"] = a.ctype
	}
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = a.cache
	}
	if a.etag != "" {
		h["Etag"] = []string{a.etag}
	}
	if a.vary {
		h["Vary"] = coding.Vary(h["Vary"])
	}
	if a.coding != "" {
		h["Content-Encoding"] = []string{a.coding}
		h["Content-Length"] = []string{strconv.FormatInt(a.size, 10)} // http.ServeContent leaves it out
	}
	s := sending{ResponseWriter: w}
	http.ServeContent(&s, a.understood(r), "", a.modified, a.file.(io.ReadSeeker))
	switch {
	case s.refused != 0:
		return s.refusal()
	case errors.Is(s.err, syscall.EPIPE), errors.Is(s.err, syscall.ECONNRESET):
		return &view.Error{Status: view.StatusClientGone, Message: "the client has gone", Err: s.err}
	case s.err != nil:
		return fmt.Errorf("send a static file: %w", s.err)
	case r.Method != http.MethodHead && s.sent < s.announced:
		return fmt.Errorf("send a static file: it ended after %d of %d bytes: it was cut while it was sent", s.sent, s.announced)
	}
	return nil
}

// sending sees what http.ServeContent does: it does not say itself that it has sent too
// little, and has error pages of its own.
type sending struct {
	http.ResponseWriter
	announced, sent int64
	refused         int
	err             error
}

func (s *sending) WriteHeader(code int) {
	switch code {
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable, http.StatusInternalServerError:
		s.refused = code
		return
	case http.StatusOK, http.StatusPartialContent:
		s.announced, _ = strconv.ParseInt(s.Header().Get("Content-Length"), 10, 64)
	}
	s.ResponseWriter.WriteHeader(code)
}

func (s *sending) Write(b []byte) (int, error) {
	if s.refused != 0 {
		return len(b), nil
	}
	n, err := s.ResponseWriter.Write(b)
	return n, s.took(int64(n), err)
}

// ReadFrom lets the file go out by sendfile.
func (s *sending) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(s.ResponseWriter, r)
	return n, s.took(n, err)
}

func (s *sending) took(n int64, err error) error {
	s.sent += n
	if err != nil && s.err == nil {
		s.err = err
	}
	return err
}

// refusal is the error for what was not sent. The headers that belong to the file are
// taken back.
func (s *sending) refusal() error {
	h := s.Header()
	e := &view.Error{Status: s.refused}
	switch s.refused {
	case http.StatusPreconditionFailed:
		e.Message = "the file is not the one that the condition asks for"
	case http.StatusRequestedRangeNotSatisfiable:
		e.Message = "the file has no such part"
		e.Header = http.Header{"Content-Range": h["Content-Range"]}
	default:
		e.Err = errors.New("a static file does not seek")
	}
	for _, key := range []string{"Accept-Ranges", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type", "Etag", "Last-Modified"} {
		delete(h, key)
	}
	return e
}
