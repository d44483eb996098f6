package control

import (
	"net/http"

	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/timeline"
)

// An Endpoint is one of those that the control socket has.
type Endpoint struct {
	Method, Path string
	About        string      // what it does, for the reference
	Query        []Parameter // those that it takes
	Body         any         // of the type of its request's JSON; nil: it takes none
	Code         int         // of the answer when it was done
	Answer       any         // of the type of its JSON; nil: text
	Lines        bool        // it answers one such object a line, as many as there are

	serve func(w http.ResponseWriter, r *http.Request, b Backend, followers chan struct{})
}

// A Parameter is one of an endpoint's query.
type Parameter struct{ Name, About string }

// Failure is what every endpoint answers when it does not do what it was asked for.
func Failure() any { return errorBody{} }

// simply serves what cannot be followed.
func simply(h func(http.ResponseWriter, *http.Request, Backend)) func(http.ResponseWriter, *http.Request, Backend, chan struct{}) {
	return func(w http.ResponseWriter, r *http.Request, b Backend, _ chan struct{}) { h(w, r, b) }
}

// Endpoints are all that there are. The server serves these and no others.
func Endpoints() []Endpoint {
	follow := Parameter{"follow", "`1`: goes on with what comes, until the supervisor stops; at most 16 readers at a time, others get a 503"}
	return []Endpoint{
		{
			Method: http.MethodGet, Path: "/v1/status", Code: http.StatusOK, Answer: Status{}, serve: simply(status),
			About: "The service and its workers, as `supervisor status --json` prints it.",
		},
		{
			Method: http.MethodPost, Path: "/v1/reload", Code: http.StatusAccepted, Answer: ReloadResult{}, serve: simply(reload),
			Query: []Parameter{{"wait", "`1`: answers when the reload is over, with 200 whether it went well or was undone: `result` says which"}},
			About: "Begins a reload. One that is asked for during another is run after it.",
		},
		{
			Method: http.MethodPost, Path: "/v1/scale", Code: http.StatusOK, Body: scaleBody{}, Answer: scaleBody{}, serve: simply(scale),
			About: "Sets the number of workers, and does not wait for them.",
		},
		{
			Method: http.MethodPost, Path: "/v1/stop", Code: http.StatusAccepted, Body: stopBody{}, Answer: stopBody{}, serve: simply(stop),
			About: "Begins a stop; the body may be left out.",
		},
		{
			Method: http.MethodPost, Path: "/v1/upgrade", Code: http.StatusOK, Answer: UpgradeResult{}, serve: simply(upgrade),
			About: "Replaces the supervisor's program in place, and answers when the new one runs: it is the new one that does.",
		},
		{
			Method: http.MethodGet, Path: "/v1/why", Code: http.StatusOK, Answer: postmortem.Report{}, serve: simply(why),
			About: "The records of workers that ended abnormally, in short, as `supervisor why --json` prints it.",
		},
		{
			Method: http.MethodGet, Path: "/v1/why/{which}", Code: http.StatusOK, Answer: postmortem.Record{}, serve: simply(whyOne),
			About: "One of them whole, by its id or by the number of its worker; 404 when there is none.",
		},
		{
			Method: http.MethodGet, Path: "/v1/logs", Code: http.StatusOK, serve: logs,
			Query: []Parameter{{"worker", "the number of one worker: its lines alone; 404 when there is none, and none of it has ended lately"}, follow, {"format", "`text`, or `json`, as `--log-format` has them"}},
			About: "The last lines of the log.",
		},
		{
			Method: http.MethodGet, Path: "/v1/timeline", Code: http.StatusOK, Answer: timeline.Event{}, Lines: true, serve: events,
			Query: []Parameter{{"after", "a `seq`: events with higher numbers"}, {"since", "a time such as `2026-11-29T11:00:00Z`: events that are not older"}, {"limit", "the last so many of these"}, follow},
			About: "What has changed, why, and who asked for it, the oldest first: [its kinds](timeline.md#kinds).",
		},
	}
}
