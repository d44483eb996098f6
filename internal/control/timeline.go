package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/internal/timeline"
)

func timelineValues(q timeline.Query) url.Values {
	v := url.Values{}
	if q.After != 0 {
		v.Set("after", strconv.FormatUint(q.After, 10))
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Follow {
		v.Set("follow", "1")
	}
	return v
}

func parseTimelineQuery(v url.Values) (q timeline.Query, err error) {
	for name, values := range v {
		text := values[len(values)-1]
		switch name {
		case "after":
			if q.After, err = strconv.ParseUint(text, 10, 64); err != nil {
				return q, fmt.Errorf("after=%q is not the number of an event", text)
			}
		case "since":
			if q.Since, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return q, fmt.Errorf("since=%q is not a time like 2026-11-29T11:00:00Z", text)
			}
		case "limit":
			if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 0 {
				return q, fmt.Errorf("limit=%q is not a number of events", text)
			}
		case "follow":
			if q.Follow, err = parseFollow(text); err != nil {
				return q, err
			}
		default:
			return q, fmt.Errorf("there is no parameter %q; there are after, since, limit and follow", name)
		}
	}
	return q, nil
}

// events serves GET /v1/timeline; followers has room for those that there may be.
func events(w http.ResponseWriter, r *http.Request, b Backend, followers chan struct{}) {
	q, err := parseTimelineQuery(r.URL.Query())
	if err != nil {
		reply(w, http.StatusBadRequest, errorBody{err.Error()})
		return
	}
	ctx := r.Context()
	out, done := stream(w, r, q.Follow, followers, "the timeline")
	if done == nil {
		return
	}
	defer done()
	out.json = true
	if !q.Follow {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askTimeout)
		defer cancel()
	}
	err = b.Timeline(ctx, q, func(events []timeline.Event) error {
		var lines bytes.Buffer
		for _, e := range events {
			if err := json.NewEncoder(&lines).Encode(e); err != nil {
				return fmt.Errorf("put an event into JSON: %w", err)
			}
		}
		_, err := out.Write(lines.Bytes())
		return err
	})
	out.end(err)
}

// Timeline calls each with the events that q wants, the oldest first, and with
// Follow with what comes, until the supervisor stops or ctx ends. An error of
// each ends it. When the supervisor broke off, as in an upgrade, the error wraps
// io.ErrUnexpectedEOF, and what comes after the last event can be asked for anew.
func (c *Client) Timeline(ctx context.Context, q timeline.Query, each func(timeline.Event) error) error {
	body, err := c.open(ctx, "/v1/timeline", timelineValues(q))
	if err != nil {
		return err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var e timeline.Event
		err := lines.Decode(&e)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("the supervisor at %s broke off: it has ended, or was upgraded, or this was read too slowly (%w)", c.path, io.ErrUnexpectedEOF)
		case err != nil:
			return c.explain(err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
}
