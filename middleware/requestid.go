package middleware

import (
	"github.com/tandem-go/tandem/internal/requestid"
	"github.com/tandem-go/tandem/view"
)

// RequestID tells the client the request's id, in X-Request-Id: its own, if it
// sent a sane one (at most 128 letters, digits and "-_.:/+=@"), else the one that
// was made for it. It is that of [view.Request.ID], of errors and of the log.
func RequestID() view.Middleware {
	return view.Phases(nil, func(r *view.Request, resp view.Response) (view.Response, error) {
		return view.WithHeader(resp, requestid.Header, r.ID()), nil
	}).Named("requestID")
}
