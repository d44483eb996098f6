package view_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tandem-go/tandem/view"
)

func TestADiskThatIsFullIsOurFault(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	s := newSite(t, 1, []view.Route{
		view.Path("/", digest),
		view.Path("/form", func(_ context.Context, r *view.Request) (view.Response, error) {
			_, err := r.Form()
			return view.NoContent(), err
		}),
	})
	w := s.do(httptest.NewRequest("POST", "/", bytes.NewReader(make([]byte, 1<<20))))
	expectError(t, w, 500, "Internal Server Error")
	body, kind := upload(t, 2<<20)
	r := httptest.NewRequest("POST", "/form", bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	expectError(t, s.do(r), 500, "Internal Server Error")
}

// upload is a form with one file of so many bytes, and its content type.
func upload(t *testing.T, size int) (body []byte, contentType string) {
	t.Helper()
	var b bytes.Buffer
	mw := multipart.NewWriter(&b)
	part, err := mw.CreateFormFile("doc", "big.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(make([]byte, size))
	_ = mw.Close()
	return b.Bytes(), mw.FormDataContentType()
}

func TestAnAnswerDoesNotRepeatWhatIsLong(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(_ context.Context, r *view.Request) (view.Response, error) {
		_, err := view.Decode[struct{ N int }](r)
		return view.NoContent(), err
	})})
	long := strings.Repeat("9", 1<<20)
	for name, r := range map[string]*http.Request{
		"a number":       httptest.NewRequest("POST", "/", strings.NewReader(`{"N":`+long+`}`)),
		"a content type": httptest.NewRequest("POST", "/", strings.NewReader("{}")),
	} {
		if name == "a content type" {
			r.Header.Set("Content-Type", long)
		}
		if w := s.do(r); w.Code < 400 || w.Code >= 500 || w.Body.Len() > 500 {
			t.Errorf("%s: %d with %d bytes", name, w.Code, w.Body.Len())
		}
	}
	for _, r := range s.log.records(t) {
		if line := fmt.Sprint(r); len(line) > 3000 {
			t.Errorf("a record of %d bytes: %.200s", len(line), line)
		}
	}
}

func TestABodyThatCannotBeReadSaysNothingOfTheNetwork(t *testing.T) {
	type post struct {
		Title string `json:"title"`
	}
	s := newSite(t, 1, []view.Route{
		view.Path("/decode", func(_ context.Context, r *view.Request) (view.Response, error) {
			_, err := view.Decode[post](r)
			return view.NoContent(), err
		}),
		view.Path("/form", func(_ context.Context, r *view.Request) (view.Response, error) {
			_, err := r.Form()
			return view.NoContent(), err
		}),
		view.Path("/typed", view.JSONView(func(context.Context, *view.Request, post) (view.None, error) { return view.None{}, nil })),
		view.Path("/sync", view.JSONViewSync(func(*view.Request, post) (view.None, error) { return view.None{}, nil })),
	})
	for _, c := range []struct {
		err     error
		status  int
		message string
		form    string
	}{
		{&net.OpError{Op: "read", Net: "tcp", Err: errors.New("10.0.0.7: connection reset")}, 400, "request body could not be read", "malformed form"},
		{&net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}, 408, "the request's body took too long", "the request's body took too long"},
	} {
		for _, target := range []string{"/decode", "/typed", "/sync"} {
			expectError(t, s.do(httptest.NewRequest("POST", target, io.MultiReader(strings.NewReader(`{"title":`), iotest.ErrReader(c.err)))), c.status, c.message)
		}
		for _, kind := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x"} {
			r := httptest.NewRequest("POST", "/form", iotest.ErrReader(c.err))
			r.Header.Set("Content-Type", kind)
			expectError(t, s.do(r), c.status, c.form)
		}
	}
}
