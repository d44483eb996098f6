// Command shop is a small shop: products, stock and orders, with accounts. It runs under the supervisor or alone.
//
//	shop                serve
//	shop promote NAME   make an account staff's
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/worker"
)

// openTimeout bounds what a command waits for; what the server waits for is bounded by Run.
const openTimeout = 25 * time.Second

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if worker.Self().Supervised {
		log = slog.New(slog.NewJSONHandler(os.Stderr, nil)) // which the supervisor takes in whole
	}
	slog.SetDefault(log)
	if err := run(os.Args[1:], os.Getenv, log); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// run does what the arguments say. It is a function of its own so that what it defers is done before the process exits.
func run(args []string, getenv func(string) string, log *slog.Logger) (err error) {
	promote := len(args) == 2 && args[0] == "promote"
	if len(args) > 0 && !promote {
		return errors.New("usage: shop | shop promote NAME")
	}
	set, err := loadSettings(getenv)
	if err != nil {
		return err
	}
	if !promote {
		return serve(set, log)
	}
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	s, err := boot(ctx, set, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }()
	// A command is sync code of a scope of its own.
	scope := bridge.NewRoot(ctx, bridge.Limits{})
	defer scope.Close()
	return s.promote(scope, args[1])
}

// boot makes the shop, with a database that is ready. The caller closes that.
func boot(ctx context.Context, set settings, log *slog.Logger) (*shop, error) {
	url, demo := set.DatabaseURL, set.DatabaseURL == ""
	if demo {
		url = demoDatabase
	}
	var options []orm.Option
	if set.Develop {
		options = append(options, orm.ReportRepeated(5))
	}
	db, err := openDatabase(ctx, url, log, options...)
	if err != nil {
		return nil, err
	}
	s, err := newShop(ctx, db, set)
	if err == nil && demo {
		var filled bool
		if filled, err = s.seed(ctx); filled {
			log.Info("filled in the demonstration data", "file", url)
		}
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// serve serves until the process is asked to go. What was begun is finished then, in reverse order: the job and the requests,
// and last of all the database, which both use.
func serve(set settings, log *slog.Logger) error {
	var s *shop
	return worker.Run(context.Background(), nil, worker.Addr(set.Addr), worker.Logger(log),
		worker.Lifespan("shop", func(ctx context.Context) (worker.StopFunc, error) {
			var err error
			if s, err = boot(ctx, set, log); err != nil {
				return nil, err
			}
			unfollow := worker.OnDatabaseConnections(s.db.SetPool) // this worker's part of the supervisor's --db-connections
			unshow := worker.ShowPool(s.db.SQL().Stats)            // for its metrics
			return func(context.Context) error {
				unfollow()
				unshow()
				return s.db.Close()
			}, nil
		}),
		worker.Handler(func(context.Context) (http.Handler, error) { return s.app, nil }),
		worker.Background("orders expire", func(ctx context.Context) error { return s.expireAll(ctx, log) }),
	)
}
