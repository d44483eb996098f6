// Command app is a small web application with sync and async views side by side, made to be copied. It runs under the
// supervisor or alone, and drains before it ends.
//
//	app            serve
//	app routes     print every route with its colour, its middleware and its crossings
//	app migrate    bring the database's schema up to date, take a step back, or say how it is
//	app seed       fill the database with demonstration data
//	app get URL    ask until the answer is a 2xx, and print it
//	app version    print the version
//	app help       print the commands and the settings
//
// GOMAXPROCS is set by the supervisor, which divides the machine among its workers; alone, Go's own default is right.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // for an image without files of time zones

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/worker"
)

// version is set by the linker; without it the module's own version is used.
var version string

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 clean, 1 failed, 2 usage or configuration.
func run(args []string, stdout, stderr io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	switch command {
	case "migrate", "seed":
		return manage(command, args[1:], stdout, stderr)
	case "get":
		return getCommand(args[1:], stdout, stderr)
	}
	if len(args) > 1 {
		return fail(stderr, 2, fmt.Errorf("%s takes no argument, not %q", command, args[1]))
	}
	var err error
	switch command {
	case "help", "-h", "-help", "--help":
		err = writeHelp(stdout)
	case "version", "-version", "--version":
		_, err = fmt.Fprintf(stdout, "app %s %s\n", buildVersion(), runtime.Version())
	case "routes", "serve":
		s, bad := loadSettings()
		if bad != nil {
			return fail(stderr, 2, bad)
		}
		if command == "routes" {
			err = newSite(s, nil, nil).writeRoutes(stdout)
		} else {
			err = serve(s, stdout, stderr)
		}
	default:
		return fail(stderr, 2, fmt.Errorf("no command %q; `app help` lists them", command))
	}
	if err != nil {
		return fail(stderr, 1, err)
	}
	return 0
}

func fail(stderr io.Writer, code int, err error) int {
	fmt.Fprintln(stderr, "app:", err)
	return code
}

func serve(s settings, stdout, stderr io.Writer) error {
	records := slog.Handler(slog.NewTextHandler(stderr, nil))
	if worker.Self().Supervised {
		records = slog.NewJSONHandler(stderr, nil) // which the supervisor takes in whole
	}
	log := slog.New(trace.LogHandler(records))
	slog.SetDefault(log)

	var db *orm.DB
	client := newClient()
	err := worker.Run(context.Background(), nil, append(s.front(),
		worker.Addr(string(s.Addr)),
		worker.Logger(log),
		worker.Lifespan("database", func(ctx context.Context) (worker.StopFunc, error) {
			var err error
			if db, err = bootDatabase(ctx, s.DatabaseURL, log, s.seeing()...); err != nil {
				return nil, err
			}
			unshow := worker.ShowPool(db.SQL().Stats)
			return func(context.Context) error {
				unshow()
				return db.Close()
			}, nil
		}),
		worker.Lifespan("stand-ins", func(context.Context) (worker.StopFunc, error) {
			stop, err := serveStandIns(&s)
			return func(context.Context) error {
				client.CloseIdleConnections()
				stop()
				return nil
			}, err
		}),
		worker.Handler(func(context.Context) (http.Handler, error) {
			return newSite(s, client, db, s.following(stdout)...).app, nil
		}),
	)...)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("APP_ADDR: %w", err)
	}
	return err
}

func writeHelp(w io.Writer) error {
	_, err := fmt.Fprint(w, `Usage: app [COMMAND]

  serve    serve; this is what app does without a command
  routes   print every route with its colour, its middleware and its crossings
  migrate  bring the database's schema up to date, take a step back, or say how it is: app migrate --help
  seed     fill the database with demonstration data: app seed --help
  get      ask for a URL until the answer is a 2xx: app get --help
  version  print the version
  help     print this

Settings, from the environment, with their defaults:

`)
	if err != nil {
		return err
	}
	return writeSettings(w)
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
