package main

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/view"
)

// What the untyped views take and answer, for the description of the API: they keep the 400s of their own, and the
// smallest of them the speed of a plain function.

const aboutTheAPI = `Sync and async views side by side. The colour of a view is its type: one that takes a context is async, one that takes none is sync and runs inside a permit.

A view's answer says in X-Elapsed-Ms how long it took. Failures are JSON with a request_id, which names the request in the log.`

type greeting struct {
	Hello string `json:"hello" enum:"async,sync"`
}

type forUser struct {
	User int64 `query:"user" minimum:"0" maximum:"1000000" default:"0" example:"7" doc:"who asks; it stands for a session"`
}

type toBurn struct {
	Ms   int    `query:"ms" minimum:"0" maximum:"1000" default:"20" doc:"CPU time to use, in milliseconds"`
	Work string `query:"work" enum:"hash,json" default:"hash" doc:"json allocates besides"`
}

type used struct {
	BusyMs float64 `json:"busy_ms" doc:"CPU time used, in milliseconds"`
}

type chunks struct {
	N  int `query:"n" minimum:"1" maximum:"1000" default:"10" doc:"how many chunks"`
	Ms int `query:"ms" minimum:"0" maximum:"10000" default:"100" doc:"milliseconds between them"`
}

// number is a query parameter, a whole number from low to high.
func number(r *view.Request, name string, missing, low, high int) (int, error) {
	query, err := url.ParseQuery(r.URL().RawQuery) // r.Query() would pass over what is malformed
	if err != nil {
		return 0, view.Errorf(http.StatusBadRequest, "the query cannot be read: %w", err)
	}
	if !query.Has(name) {
		return missing, nil
	}
	n, err := strconv.Atoi(query.Get(name))
	if err != nil || n < low || n > high {
		return 0, view.Errorf(http.StatusBadRequest, "%s must be a whole number from %d to %d", name, low, high)
	}
	return n, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
