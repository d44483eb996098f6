package view_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// late is a response that finds out when it is sent that it cannot be.
type late struct {
	begin string
	err   error
}

func (l late) Respond(w http.ResponseWriter, _ *http.Request) error {
	if l.begin != "" {
		_, _ = io.WriteString(w, l.begin)
	}
	return l.err
}

func TestAnErrorOfAResponseIsLoggedUnderItsStatus(t *testing.T) {
	for _, c := range []struct {
		name     string
		resp     late
		answered int
		logged   float64
	}{
		{"one of its own", late{"", &view.Error{Status: 416, Message: "no such part"}}, 416, 416},
		{"any", late{"", io.ErrUnexpectedEOF}, 500, 500},
		{"half of it is out", late{"half", &view.Error{Status: 416}}, 0, 500},
		{"half of it is out and the client has gone", late{"half", fmt.Errorf("send: %w", &view.Error{Status: view.StatusClientGone, Message: "gone"})}, 0, view.StatusClientGone},
	} {
		s := newSite(t, 1, []view.Route{view.Path("/", func(context.Context, *view.Request) (view.Response, error) { return c.resp, nil })})
		func() {
			defer func() {
				if v := recover(); (v == http.ErrAbortHandler) != (c.answered == 0) {
					t.Errorf("%s: recovered %v", c.name, v)
				}
			}()
			if w := s.get("/"); w.Code != c.answered {
				t.Errorf("%s: %d", c.name, w.Code)
			}
		}()
		if r := s.log.only(t); r["status"] != c.logged {
			t.Errorf("%s: log %v", c.name, r)
		}
	}
}
