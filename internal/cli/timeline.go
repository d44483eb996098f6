package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/printable"
	"github.com/tandem-go/tandem/internal/timeline"
)

// lastEvents is how many are shown unless somebody says.
const lastEvents = 40

// timeline shows what has changed, of the supervisor that answers, else what one
// has left on disk.
func (p *program) timeline(args []string) (int, error) {
	var socket, state string
	var asJSON bool
	q := timeline.Query{Limit: -1}
	_, err := arguments(args, nil, []config.Flag{
		{Name: "control", Arg: "PATH", Set: notEmpty("control", &socket)},
		{Name: "state-dir", Arg: "PATH", Set: notEmpty("state-dir", &state)},
		{Name: "follow", Short: "f", Set: switched("follow", &q.Follow)},
		{Name: "json", Set: switched("json", &asJSON)},
		{Name: "since", Arg: "WHEN", Set: func(text string) (err error) {
			q.Since, err = since(text, time.Now())
			return err
		}},
		{Name: "lines", Short: "n", Arg: "N", Set: func(text string) (err error) {
			if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 0 {
				return usage("-n: %q is not a number of events; 0 is all", text)
			}
			return nil
		}},
	})
	if err != nil {
		return 0, err
	}
	if q.Limit < 0 {
		if q.Limit = lastEvents; !q.Since.IsZero() {
			q.Limit = 0
		}
	}
	from, err := p.place(socket, state)
	if err != nil {
		return 0, err
	}
	out := &eventWriter{w: p.stdout, json: asJSON, last: q.After}
	gone := errNoSocket
	if from.client != nil {
		gone = p.follow(from.client, q, out)
		_, refused := errors.AsType[*control.RefusedError](gone)
		if gone == nil || refused || out.begun || q.Follow {
			return exitOK, gone
		}
	}
	dir, err := from.directory(timeline.Directory, gone)
	if err != nil {
		return 0, err
	}
	events, skipped, err := timeline.Read(dir)
	if err != nil {
		return 0, fmt.Errorf("%w; %w", gone, err)
	}
	fmt.Fprintf(p.stderr, "supervisor: timeline: %s\n", printable.Line(fmt.Sprintf("reading %s, because %v", dir, gone)))
	if skipped > 0 {
		fmt.Fprintf(p.stderr, "supervisor: timeline: skipped: %d cut short or damaged\n", skipped)
	}
	for _, e := range q.Pick(events) {
		if err := out.event(e); err != nil {
			return 0, err
		}
	}
	return exitOK, nil
}

// follow asks for the events, and again for what comes after the last of them
// when the supervisor breaks off: it may have been upgraded. When it does not
// answer any more then, that it broke off is the error.
func (p *program) follow(client *control.Client, q timeline.Query, out *eventWriter) error {
	var broke error
	for {
		ctx, cancel := context.Background(), context.CancelFunc(func() {})
		if !q.Follow {
			ctx, cancel = context.WithTimeout(ctx, askTimeout)
		}
		before := out.last
		err := client.Timeline(ctx, q, out.event)
		cancel()
		switch {
		case q.Follow && errors.Is(err, io.ErrUnexpectedEOF) && (broke == nil || out.last > before):
			broke = err
			if out.last > 0 { // else all that was asked for is still to come
				q.After, q.Limit, q.Since = max(q.After, out.last), 0, time.Time{}
			}
		case err != nil && broke != nil && out.failed == nil:
			return broke
		default:
			return err
		}
	}
}

// since reads a time, or a length of time before now.
func since(text string, now time.Time) (time.Time, error) {
	var d config.Duration
	if d.Set(text) == nil {
		return now.Add(-time.Duration(d)), nil
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	for _, form := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02", "15:04:05", "15:04"} {
		at, err := time.ParseInLocation(form, text, now.Location())
		if err != nil {
			continue
		}
		if !strings.Contains(form, "2006") { // the last time that the clock showed it
			at = time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), at.Second(), 0, now.Location())
			if at.After(now) {
				at = at.AddDate(0, 0, -1)
			}
		}
		return at, nil
	}
	return time.Time{}, usage("--since: %q is neither a time such as 2026-11-29T11:00:00Z, \"2026-11-29 11:00\" or 11:00, nor a length of time such as 30m", text)
}

// eventWriter writes events, each when it comes.
type eventWriter struct {
	w      io.Writer
	json   bool
	begun  bool
	last   uint64 // of what was written
	failed error  // of writing
}

// textWidth is how wide the text of an event is made, so that who asked for them
// stands in one column where it can.
const textWidth = 76

func (o *eventWriter) event(e timeline.Event) error {
	o.begun = true
	var line string
	if o.json {
		text, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("put an event into JSON: %w", err)
		}
		line = string(text)
	} else {
		line = eventText(e)
	}
	if _, err := io.WriteString(o.w, line+"\n"); err != nil {
		o.failed = fmt.Errorf("write the answer: %w", err)
		return o.failed
	}
	o.last = max(o.last, e.Seq)
	return nil
}

// eventText is one event in one line: when, what and why, who.
func eventText(e timeline.Event) string {
	text := printable.Line(e.Text)
	if e.Actor == "" {
		return e.Time.Local().Format(eventTime) + "  " + text
	}
	pad := strings.Repeat(" ", max(0, textWidth-utf8.RuneCountInString(text)))
	return e.Time.Local().Format(eventTime) + "  " + text + pad + "  " + printable.Line(e.Actor)
}

const eventTime = "2006-01-02 15:04:05.000"
