package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/worker"
)

// diary notes what happens, in its order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) is(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, want) {
		t.Errorf("it went\n%q, want\n%q", d.lines, want)
	}
}

// span is a Lifespan that starts and stops with these errors.
func (d *diary) span(name string, start, stop error) worker.Option {
	return worker.Lifespan(name, func(context.Context) (worker.StopFunc, error) {
		d.note("start %s", name)
		return func(context.Context) error {
			d.note("stop %s", name)
			return stop
		}, start
	})
}

// boot runs a worker that nobody supervises and that is not expected to serve.
func boot(t *testing.T, ctx context.Context, h http.Handler, opts ...worker.Option) error {
	t.Helper()
	return worker.Run(ctx, h, append([]worker.Option{
		worker.Addr("127.0.0.1:0"), worker.Logger(slog.New(slog.DiscardHandler)),
		worker.ConfigureServer(func(*http.Server) { t.Error("it served") }),
	}, opts...)...)
}

func TestWhatIsStartedInOrderIsStoppedInReverseAfterTheLastRequest(t *testing.T) {
	var d diary
	var greeting string
	begun := make(chan struct{})
	addr, drain := alone(t, nil,
		worker.Lifespan("greeting", func(ctx context.Context) (worker.StopFunc, error) {
			d.note("start greeting")
			greeting = "hello"
			return nil, nil
		}),
		d.span("two", nil, nil),
		worker.Handler(func(context.Context) (http.Handler, error) {
			d.note("handler")
			greeting := greeting
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(begun)
				<-worker.Draining(r.Context())
				d.note("request")
				io.WriteString(w, greeting)
			}), nil
		}),
		worker.Background("work", func(ctx context.Context) error {
			<-ctx.Done()
			<-begun
			d.note("work")
			return ctx.Err()
		}),
		d.span("four", nil, nil),
	)
	answer := make(chan string)
	go func() { answer <- get("http://" + addr) }()
	<-begun
	ended := make(chan error)
	go func() { ended <- drain() }()
	if got := <-answer; got != "hello" {
		t.Errorf("answered %q", got)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// The work ends with the drain's begin, before or after the request.
	d.mu.Lock()
	d.lines = slices.DeleteFunc(d.lines, func(line string) bool { return line == "work" })
	d.mu.Unlock()
	d.is(t, "start greeting", "start two", "handler", "start four", "request", "stop four", "stop two")
}

func TestAFailingStartIsAFailureToBoot(t *testing.T) {
	bad := errors.New("no such host")
	failing := func(f func() error) worker.Option {
		return worker.Lifespan("database", func(context.Context) (worker.StopFunc, error) {
			return func(context.Context) error {
				t.Error("what has not started was stopped")
				return nil
			}, f()
		})
	}
	for name, c := range map[string]struct {
		option worker.Option
		want   string
	}{
		"an error": {failing(func() error { return bad }), "worker: start database: no such host"},
		"a panic":  {failing(func() error { panic("index out of range") }), "worker: start database: panic: index out of range"},
		"the end of its goroutine": {failing(func() error {
			runtime.Goexit()
			return nil
		}), "worker: start database: it has ended its goroutine instead of returning"},
		"no handler": {
			worker.Handler(func(context.Context) (http.Handler, error) { return nil, nil }),
			"worker: start handler: it made none",
		},
		"an error of the handler's": {
			worker.Handler(func(context.Context) (http.Handler, error) { return nil, bad }),
			"worker: start handler: no such host",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var d diary
			err := boot(t, t.Context(), nil, d.span("one", nil, nil), d.span("two", nil, bad), c.option, d.span("four", nil, nil))
			if want := c.want + "\nworker: stop two: no such host"; err == nil || err.Error() != want {
				t.Errorf("Run: %v, want %s", err, want)
			}
			d.is(t, "start one", "start two", "stop two", "stop one")
		})
	}
}

func TestTwoHandlersAreOneTooMany(t *testing.T) {
	second := worker.Handler(func(context.Context) (http.Handler, error) {
		t.Error("it was made")
		return nil, nil
	})
	err := boot(t, t.Context(), http.NotFoundHandler(), second)
	if err == nil || !strings.HasPrefix(err.Error(), "worker: start handler: there is one already") {
		t.Error(err)
	}
}

// However it ends, short of being killed.
func TestStopFunctionsAreCalledHoweverAProcessEnds(t *testing.T) {
	for name, c := range map[string]struct {
		stuck  bool
		signal os.Signal
		code   int
	}{
		"after a drain":                {false, syscall.SIGTERM, 0},
		"after one that was cut":       {true, syscall.SIGTERM, exitCut},
		"in a quick stop":              {false, syscall.SIGINT, 0},
		"in one that leaves a handler": {true, syscall.SIGQUIT, 0},
	} {
		t.Run(name, func(t *testing.T) {
			fd, addr := listen(t)
			defer unix.Close(fd)
			env := []string{"LIFE=1", "LINGER=0s", "STUCK=1"}
			if c.stuck {
				env = append(env, "DRAIN=300ms")
			}
			p := start(t, fd, env...)
			if c.stuck {
				stuck := dial(t, addr)
				if err := stuck.send("GET", "/stuck", ""); err != nil {
					t.Fatal(err)
				}
				settled(t, p, 1)
			}
			p.signal(t, c.signal)
			p.code(t, c.code)
			if !strings.HasPrefix(p.output, "stopped\n") {
				t.Errorf("it said %q", p.output)
			}
		})
	}
}

// A start that is not wanted any more is no failure; what had started is stopped.
func TestAnEndThatIsAskedForWhileItStarts(t *testing.T) {
	for name, outcome := range map[string]func(context.Context) error{
		"it gives up":        context.Cause,
		"it has started yet": func(context.Context) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			var d diary
			ctx, cancel := context.WithCancel(t.Context())
			err := boot(t, ctx, http.NotFoundHandler(), d.span("one", nil, nil),
				worker.Lifespan("two", func(ctx context.Context) (worker.StopFunc, error) {
					d.note("start two")
					cancel()
					<-ctx.Done()
					return func(context.Context) error { d.note("stop two"); return nil }, outcome(ctx)
				}), d.span("three", nil, nil))
			if err != nil {
				t.Error(err)
			}
			want := []string{"start one", "start two", "stop two", "stop one"}
			if name == "it gives up" {
				want = slices.Delete(want, 2, 3)
			}
			d.is(t, want...)
		})
	}
}

func TestAFailingStopKeepsNoOtherFromItsTurn(t *testing.T) {
	var d diary
	bad := errors.New("disk full")
	_, drain := alone(t, http.NotFoundHandler(), d.span("one", nil, nil), d.span("two", nil, bad),
		worker.Lifespan("three", func(context.Context) (worker.StopFunc, error) {
			return func(context.Context) error { panic("closed twice") }, nil
		}))
	err := drain()
	if want := "worker: stop three: panic: closed twice\nworker: stop two: disk full"; err == nil || err.Error() != want || !errors.Is(err, bad) {
		t.Errorf("Run: %v, want %s", err, want)
	}
	d.is(t, "start one", "start two", "stop two", "stop one")
}

func TestWorkInTheBackground(t *testing.T) {
	bad := errors.New("the queue is gone")
	for name, c := range map[string]struct {
		work func(context.Context) error
		want string // Run's error
		log  string
	}{
		"ends with its ctx": {func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("work: %w", ctx.Err()) }, "", ""},
		"ends before":       {func(context.Context) error { return nil }, "", ""},
		"fails at the end":  {func(ctx context.Context) error { <-ctx.Done(); return bad }, "worker: stop work: the queue is gone", ""},
		"fails before": {
			func(context.Context) error { return bad }, "",
			`level=ERROR msg="work in the background has failed, and is not begun again" name=work error="the queue is gone"`,
		},
		"panics before": {func(context.Context) error { panic("nil map") }, "", `is not begun again" name=work error="panic: nil map"`},
	} {
		t.Run(name, func(t *testing.T) {
			lines := make(logLines, 16)
			_, drain := alone(t, http.NotFoundHandler(), worker.Background("work", c.work), worker.Logger(slog.New(slog.NewTextHandler(lines, nil))))
			if c.log != "" {
				for line := range lines {
					if strings.Contains(line, c.log) {
						break
					}
				}
			}
			err := drain()
			if said := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && said != c.want {
				t.Errorf("Run: %v, want %q", err, c.want)
			}
		})
	}
}

// logLines is a log's writer.
type logLines chan string

func (l logLines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}
