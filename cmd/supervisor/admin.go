package main

import (
	"context"
	"log/slog"

	"github.com/oklog/run"

	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/supervise"
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

// addAdmin runs the admin listener beside the supervise loop, to its very end.
func addAdmin(group *run.Group, sup *supervise.Supervisor, server *admin.Server, log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	watcher := sup.Watcher()
	group.Add(func() error {
		defer server.Close()
		log.Info("admin listener is open", "address", server.Addr().String())
		if err := server.Serve(ctx, watcher, metrics.Handler(watcher.Metrics)); err != nil {
			// The service goes on without it.
			log.Error("the admin listener has failed; probes and /metrics will not be answered until a restart", "error", err)
			<-ctx.Done()
		}
		return nil
	}, func(error) { cancel() })
}
