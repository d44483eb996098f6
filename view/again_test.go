package view_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tandem-go/tandem/view"
)

// twice is middleware that always tries once more.
var twice = view.Use(func(next view.AsyncView) view.AsyncView {
	return func(ctx context.Context, r *view.Request) (view.Response, error) {
		_, _ = next(ctx, r)
		return next(ctx, r)
	}
})

// A body that broke off is not whole at the second try either.
func TestABodyThatBrokeOffIsNotTakenForWholeWhenMiddlewareTriesAgain(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("reset")), strings.NewReader(" and more"))
	s := newSite(t, 1, []view.Route{view.Path("POST /", func(r *view.Request) (view.Response, error) {
		body, err := io.ReadAll(r.Body())
		t.Errorf("the view has run, with %q, %v", body, err)
		return view.NoContent(), nil
	}, view.With(twice))})
	expectError(t, s.do(httptest.NewRequest("POST", "/", broken)), 400, "request body could not be read")
}

// Each try keeps an answer of its own; all of them are dropped.
func TestABlockingHandlerThatRunsTwiceLeavesNoFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	runs := 0
	s := newSite(t, 1, []view.Route{view.Path("/", view.Blocking(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		runs++
		_, _ = io.WriteString(w, strings.Repeat("x", 300<<10))
	})), view.With(twice))})
	if w := s.get("/"); w.Code != http.StatusOK || w.Body.Len() != 300<<10 || runs != 2 {
		t.Errorf("%d, %d bytes, %d runs", w.Code, w.Body.Len(), runs)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("still open: %q", left)
	}
}
