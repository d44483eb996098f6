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
	"os"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/worker"
)

// bootTimeout bounds what a start waits for. It lies inside the supervisor's --boot-timeout of 30 s, so that the shop says
// what it waited for before it is killed.
const bootTimeout = 25 * time.Second

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
	booting, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	s, err := boot(booting, set, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.db.Close()) }() // last of all: whoever uses it has ended
	if promote {
		// A command is sync code of a scope of its own.
		scope := bridge.NewRoot(booting, bridge.Limits{})
		defer scope.Close()
		return s.promote(scope, args[1])
	}
	return serve(s, set.Addr, log)
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

// serve serves until the process is asked to go. What was begun is finished then: requests by Run, the jobs by their stop.
func serve(s *shop, addr string, log *slog.Logger) error {
	defer worker.OnDatabaseConnections(s.db.SetPool)() // this worker's part of the supervisor's --db-connections
	defer s.startJobs(log)()
	return worker.Run(context.Background(), s.app, worker.Addr(addr), worker.Logger(log))
}
