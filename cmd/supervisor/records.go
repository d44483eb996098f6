package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/statedir"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// recordsFlush bounds how long an exit waits for the disk to take the records of
// workers that ended last.
const recordsFlush = 2 * time.Second

// openRecords gives the store of the records of dead workers. It is not started:
// until the control socket is ours, so is not the directory.
func openRecords(loaded *config.Loaded, taken *upgrade.Taken, warner *statedir.Warner) (*postmortem.Store, error) {
	o := postmortem.Options{Log: warner.Log, Warner: warner}
	if _, err := taken.Get(partRecords, &o.Was); err != nil {
		return nil, err
	}
	return postmortem.New(postmortem.Directory(string(loaded.StateDir), string(loaded.Control)), o), nil
}

func closeRecords(records *postmortem.Store, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), recordsFlush)
	defer cancel()
	if err := records.Close(ctx); err != nil {
		log.Warn("the records of workers that ended last may be missing in why", "error", err)
	}
}
