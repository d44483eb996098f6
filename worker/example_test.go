package worker_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/worker"
)

// A program that is a good worker under a supervisor, and a server in a
// terminal. The context stands for whatever else may end the program; here it
// ends when the first request has been answered.
func Example() {
	ctx, end := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello")
		end()
	})
	serving, answer := make(chan string, 1), make(chan string, 1)
	go func() { answer <- get("http://" + <-serving + "/hello/") }()

	err := worker.Run(ctx, mux,
		worker.Addr("127.0.0.1:0"),
		worker.Linger(0),
		worker.Logger(slog.New(slog.DiscardHandler)),
		worker.ConfigureServer(func(s *http.Server) { announce(s, serving) }),
	)
	fmt.Println(<-answer)
	fmt.Println("drained:", err)
	// Output:
	// hello
	// drained: <nil>
}

// A program with a database: it is opened before the first request and closed after
// the last one, and a job that uses it ends in between. The context ends here when
// the first request has been answered.
func ExampleLifespan() {
	ctx, end := context.WithCancel(context.Background())
	serving, answer := make(chan string, 1), make(chan string, 1)
	go func() { answer <- get("http://" + <-serving + "/") }()

	var db *database
	err := worker.Run(ctx, nil,
		worker.Lifespan("database", func(ctx context.Context) (worker.StopFunc, error) {
			var err error
			if db, err = openDatabase(ctx); err != nil {
				return nil, err // which Run returns, with the function's name
			}
			return func(context.Context) error { return db.Close() }, nil
		}),
		worker.Handler(func(context.Context) (http.Handler, error) {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintln(w, "hello from", db.name)
				end()
			}), nil
		}),
		worker.Background("cleaning", func(ctx context.Context) error {
			<-ctx.Done() // the worker begins to drain
			return ctx.Err()
		}),
		worker.Addr("127.0.0.1:0"),
		worker.Linger(0),
		worker.Logger(slog.New(slog.DiscardHandler)),
		worker.ConfigureServer(func(s *http.Server) { announce(s, serving) }),
	)
	fmt.Println(<-answer)
	fmt.Println("ended:", err)
	// Output:
	// opened
	// closed
	// hello from the database
	// ended: <nil>
}

type database struct{ name string }

func openDatabase(context.Context) (*database, error) {
	fmt.Println("opened")
	return &database{"the database"}, nil
}

func (*database) Close() error {
	fmt.Println("closed")
	return nil
}

// A stream without an end of its own ends when the worker drains: its client
// comes back, and another worker goes on.
func ExampleDraining() {
	events := func(w http.ResponseWriter, r *http.Request) {
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				fmt.Fprintf(w, "data: %s\n\n", now)
				http.NewResponseController(w).Flush()
			case <-worker.Draining(r.Context()):
				return
			case <-r.Context().Done():
				return
			}
		}
	}
	http.HandleFunc("GET /events/", events)
}

// The pool of a database follows the part that the supervisor says. Alone, or
// without --db-connections, it stays as it was opened.
func ExampleOnDatabaseConnections() {
	var db *sql.DB // opened
	stop := worker.OnDatabaseConnections(db.SetMaxOpenConns)
	defer stop()
}

// TLS for two names, with clients' certificates checked where they are shown.
// The files may change at any time: nothing is restarted for it.
func ExampleTLS() {
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if chains := r.TLS.VerifiedChains; len(chains) > 0 {
			fmt.Fprintln(w, chains[0][0].Subject.CommonName)
		}
	})
	err := worker.Run(context.Background(), who, worker.TLS(worker.Certificates{
		Pairs: []worker.CertificateFiles{
			{Cert: "/etc/tls/shop/tls.crt", Key: "/etc/tls/shop/tls.key"},
			{Cert: "/etc/tls/admin/tls.crt", Key: "/etc/tls/admin/tls.key"},
		},
		ClientAuth: tls.VerifyClientCertIfGiven,
		ClientCA:   "/etc/tls/staff.pem",
	}))
	if err != nil {
		log.Fatal(err)
	}
}
