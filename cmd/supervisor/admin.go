package main

import (
	"context"
	"log/slog"

	"github.com/oklog/run"

	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/history"
	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/supervise"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// openAdmin binds the admin listener, nil when it is off. That it cannot be
// bound is a reason not to start: a service whose probes nobody answers would be
// ended by what probes it.
func openAdmin(loaded *config.Loaded, log *slog.Logger) (*admin.Server, error) {
	if loaded.Admin == config.Off {
		return nil, nil
	}
	server, err := admin.Listen(loaded.Admin.String())
	if err != nil {
		return nil, err
	}
	server.Log = log
	return server, nil
}

// watched is the admin listener, and what it shows.
type watched struct {
	*admin.Server
	watcher *supervise.Watcher
	history *history.Recorder
}

// watch gives the admin listener what it shows; nil when it is off. An hour of it
// goes over in an upgrade in place.
func watch(sup *supervise.Supervisor, server *admin.Server, taken *upgrade.Taken) (*watched, error) {
	if server == nil {
		return nil, nil
	}
	w := &watched{Server: server, watcher: sup.Watcher()}
	o := history.Options{Source: w.watcher.Pulse}
	found, err := taken.Get(partHistory, &o.Was)
	if err != nil {
		return nil, err
	}
	if found {
		o.Ago = taken.Elapsed()
	}
	w.history = history.New(o)
	server.History, server.Events = w.history, w.watcher
	return w, nil
}

// addAdmin runs the admin listener beside the supervise loop, to its very end.
func addAdmin(group *run.Group, w *watched, log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	group.Add(func() error {
		defer w.Close()
		log.Info("admin listener is open", "address", w.Addr().String())
		if err := w.Serve(ctx, w.watcher, metrics.Handler(w.watcher.Metrics)); err != nil {
			// The service goes on without it.
			log.Error("the admin listener has failed; probes and /metrics will not be answered until a restart", "error", err)
			<-ctx.Done()
		}
		return nil
	}, func(error) { cancel() })
	group.Add(func() error { w.history.Run(ctx); return nil }, func(error) { cancel() })
}
