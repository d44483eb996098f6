package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/statedir"
	"github.com/tandem-go/tandem/internal/timeline"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// timelineFlush bounds how long an exit waits for the disk to take the last events.
const timelineFlush = time.Second

// openTimeline gives the store of what changes. As that of the records it is not
// started: until the control socket is ours, so is not the directory.
func openTimeline(loaded *config.Loaded, taken *upgrade.Taken, warner *statedir.Warner) (*timeline.Store, error) {
	o := timeline.Options{Log: warner.Log, Warner: warner}
	if _, err := taken.Get(partTimeline, &o.Was); err != nil {
		return nil, err
	}
	return timeline.New(timeline.Directory(string(loaded.StateDir), string(loaded.Control)), o), nil
}

func closeTimeline(events *timeline.Store, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), timelineFlush)
	defer cancel()
	if err := events.Close(ctx); err != nil {
		log.Warn("the last events may be missing in the timeline", "error", err)
	}
}
