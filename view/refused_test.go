package view_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tandem-go/tandem/internal/http1"
	"github.com/tandem-go/tandem/view"
)

// net/http ends the context of a request whose body cannot be read, as if its client
// had left. Who was too slow, or sent what the server refuses is still there, and waits for its answer.
func TestABodyWhoseRestIsRefusedIsAnswered(t *testing.T) {
	s := newSite(t, 1, []view.Route{
		view.Path("/async", digestAsync),
		view.Path("/sync", func(r *view.Request) (view.Response, error) { return view.NoContent(), nil }),
	})
	refused := &http1.Refusal{Status: 400, Reason: "malformed chunk size", InBody: true}
	tooLarge := fmt.Errorf("%w: %w", &http1.Refusal{Status: 413, InBody: true, Limit: 9}, &http.MaxBytesError{Limit: 9})
	late := &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
	for _, c := range []struct {
		target  string
		err     error
		status  int
		message string
	}{
		{"/async", refused, 400, "malformed chunk size"},
		{"/sync", refused, 400, "malformed chunk size"},
		{"/async", late, 408, "the request's body took too long"},
		{"/sync", late, 408, "the request's body took too long"},
		{"/async", tooLarge, 413, "request body is larger than 9 bytes"},
		{"/sync", tooLarge, 413, "request body is larger than 9 bytes"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequest("POST", c.target, io.MultiReader(strings.NewReader("half"), iotest.ErrReader(c.err)))
		expectError(t, s.do(r.WithContext(ctx)), c.status, c.message)
	}
}
