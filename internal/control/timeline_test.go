package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/timeline"
)

func TestTimeline(t *testing.T) {
	b := &fake{}
	path, _ := serve(t, b)
	c := NewClient(path)
	var got []timeline.Event
	each := func(e timeline.Event) error { got = append(got, e); return nil }
	q := timeline.Query{After: 6, Limit: 5, Since: time.Date(2026, 11, 29, 11, 0, 0, 5, time.UTC)}
	if err := c.Timeline(t.Context(), q, each); err != nil || len(got) != 2 || got[0].Seq != 7 || got[1].Kind != "of another version" {
		t.Errorf("%+v, %v", got, err)
	}
	// Who asks is known to the backend.
	if want := fmt.Sprintf("timeline %+v by uid %d, pid %d", q, os.Getuid(), os.Getpid()); !slices.Equal(b.asked, []string{want}) {
		t.Errorf("asked %q, want %q", b.asked, want)
	}
	stop := errors.New("stop")
	if err := c.Timeline(t.Context(), timeline.Query{}, func(timeline.Event) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	var refused *RefusedError
	if err := c.Timeline(t.Context(), timeline.Query{After: 13}, each); !errors.As(err, &refused) || refused.Text != "the disk is gone" {
		t.Errorf("%v", err)
	}
	refuses(t, c, "/v1/timeline", map[string]string{
		"after=-1": "is not the number of an event", "since=noon": "is not a time", "limit=-1": "is not a number of events", "follow=maybe": "is not 1 or 0", "tail=5": "there is no parameter",
	})
}

func TestTimelineQueryGoesThere(t *testing.T) {
	q := timeline.Query{After: 1, Since: time.Unix(1, 2).UTC(), Limit: 3, Follow: true}
	if got, err := parseTimelineQuery(timelineValues(q)); err != nil || !reflect.DeepEqual(got, q) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Who follows is bounded, apart from who follows the log, and ends with the server.
func TestTimelineIsFollowed(t *testing.T) {
	path, stop := serve(t, &fake{}, func(s *Server) { s.patience = 20 * time.Millisecond })
	c := NewClient(path)
	ended := crowd(t, maxFollowers, func(begun func()) error {
		return c.Timeline(t.Context(), timeline.Query{Follow: true}, func(timeline.Event) error { begun(); return nil })
	})
	turnedAway(t, func() error { return c.Timeline(t.Context(), timeline.Query{Follow: true}, nil) })
	ctx, cancel := context.WithCancel(t.Context())
	logs := crowd(t, 1, func(begun func()) error { return c.Logs(ctx, LogQuery{Follow: true}, told(begun)) })
	cancel()
	<-logs
	stop()
	for range maxFollowers {
		if err := <-ended; err != nil {
			t.Errorf("at the end: %v", err)
		}
	}
}
