package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

const workers = 4

// arena is one supervisor under torture.
type arena struct {
	*harness.Supervisor
	dir     string // of the supervisor's run
	bin     string // a directory with a supervisor of our own, to be spoiled
	good    string // the supervisor that nobody spoils
	envFile string
	ledger  *ledger
	manager *manager // nil but where the supervisor itself is killed
}

// turn is what one fault did to each kind.
type turn struct {
	fault  fault
	times  int       // that the fault happened
	end    time.Time // when the service was asked to stop
	tally  map[kind]*tally
	twice  int // requests that began twice in a handler
	excuse map[kind]int
	bare   map[kind][]loss // without excuse
	said   string          // the last lines of the supervisor
}

// takeTurn runs a service, sends clients to it, and lets the fault happen again
// and again for the length of the turn.
func takeTurn(ctx context.Context, f fault, bin string, length time.Duration) (_ *turn, err error) {
	limit := length + time.Minute
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := open(ctx, f, bin)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\nthe supervisor's stderr ends:\n%s", err, a.Stderr.Tail(15))
		}
		err = errors.Join(err, a.close())
	}()
	users := begin(ctx, a.Addr, limit)
	defer users.stop()
	if err := users.flow(ctx); err != nil {
		return nil, err
	}
	t := &turn{fault: f}
	for end := time.Now().Add(length); t.times == 0 || time.Now().Before(end); {
		if err := f.do(ctx, a); err != nil {
			return nil, fmt.Errorf("the fault could not be brought about: %w", err)
		}
		t.times++
		pause(ctx, f.rest)
		if err := users.flow(ctx); err != nil {
			return nil, fmt.Errorf("after the fault: %w", err)
		}
	}
	users.endKept()
	if err := t.stop(ctx, a); err != nil {
		return nil, fmt.Errorf("at the stop: %w", err)
	}
	if t.tally, err = users.end(); err != nil {
		return nil, err
	}
	if err := a.ledger.settle(); err != nil {
		return nil, err
	}
	t.judge(a.ledger)
	own := slices.DeleteFunc(a.Stderr.Lines(), func(line string) bool { return strings.Contains(line, `"stream":`) })
	t.said = strings.Join(own[max(0, len(own)-60):], "\n")
	return t, nil
}

// stop asks the service to go, under its clients.
func (t *turn) stop(ctx context.Context, a *arena) error {
	t.end = time.Now()
	if err := a.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	code, err := a.Wait(ctx)
	if err == nil && code != 0 {
		err = fmt.Errorf("the supervisor's exit status is %d", code)
	}
	if a.manager != nil {
		err = errors.Join(err, a.manager.forget())
	}
	return err
}

// open starts the service in a directory of its own.
func open(ctx context.Context, f fault, bin string) (_ *arena, err error) {
	dir, err := os.MkdirTemp("", "tandem-torture")
	if err != nil {
		return nil, err
	}
	a := &arena{dir: dir, bin: filepath.Join(dir, "bin"), good: filepath.Join(bin, "supervisor"), envFile: filepath.Join(dir, "env")}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if a.ledger, err = openLedger(dir); err != nil {
		return nil, err
	}
	if err = os.Mkdir(a.bin, 0o755); err != nil {
		return nil, err
	}
	if err = a.install(a.good); err != nil {
		return nil, err
	}
	if err = a.breakWorkers(""); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := harness.Config{
		Bin: a.bin, Dir: dir, Command: []string{self},
		Args: append([]string{"--workers", fmt.Sprint(workers), "--bake", "150ms", "--env-file", a.envFile}, f.args...),
		Env:  append([]string{ledgerVariable + "=" + a.ledger.path}, f.env...),
	}
	if f.sink != nil {
		c.Stdout = f.sink
	}
	if f.managed {
		a.manager, err = manage(ctx, a, c)
	} else {
		a.Supervisor, err = harness.Start(c)
	}
	if err != nil {
		return nil, err
	}
	_, err = a.Ready(ctx, workers)
	return a, err
}

// install puts a program in the place of the supervisor's own executable, the
// way a package manager does.
func (a *arena) install(program string) error {
	b, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	path := filepath.Join(a.bin, "supervisor")
	if err := os.WriteFile(path+".new", b, 0o755); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// breakWorkers makes the next generation fail in the given way; "" mends it.
func (a *arena) breakWorkers(how string) error {
	return os.WriteFile(a.envFile, []byte(breakVariable+"="+how+"\n"), 0o600)
}

// command runs one of the supervisor's commands, by a program that nobody
// spoils.
func (a *arena) command(ctx context.Context, args ...string) (harness.Result, error) {
	return harness.Run(ctx, a.good, a.dir, []string{"SUPERVISOR_CONTROL=" + a.Control}, args...)
}

// must is a command that is to succeed.
func (a *arena) must(ctx context.Context, args ...string) error {
	r, err := a.command(ctx, args...)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("supervisor %s: exit %d: %s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return err
}

// mustFail is a command that is to be refused.
func (a *arena) mustFail(ctx context.Context, args ...string) error {
	r, err := a.command(ctx, args...)
	if err == nil && r.Code == 0 {
		err = fmt.Errorf("supervisor %s: it succeeded, and must not: %s", strings.Join(args, " "), r.Stdout)
	}
	return err
}

func (a *arena) close() error {
	var err error
	if a.manager != nil {
		err = a.manager.close()
	} else if a.Supervisor != nil {
		err = a.Close()
	}
	if a.ledger != nil {
		a.ledger.close()
	}
	return errors.Join(err, os.RemoveAll(a.dir))
}

// judge divides the losses into those that a fault excuses and those that
// nothing does.
func (t *turn) judge(l *ledger) {
	t.excuse, t.bare, t.twice = map[kind]int{}, map[kind][]loss{}, l.twice()
	for k, account := range t.tally {
		for _, lost := range account.losses {
			if l.excused(lost) {
				t.excuse[k]++
			} else {
				lost.how += fmt.Sprintf(" (held by process %d)", l.holder(lost.client, lost.at))
				t.bare[k] = append(t.bare[k], lost)
			}
		}
	}
}

// verdict is nil when nothing was lost without excuse, answered twice or
// wrongly, or refused before the service was asked to stop.
func (t *turn) verdict() error {
	var bad []string
	for _, k := range kinds {
		account := t.tally[k]
		if n := len(t.bare[k]); n > 0 {
			bad = append(bad, fmt.Sprintf("%d of %d %s lost, the first: %s", n, account.sent, k, t.bare[k][0].how))
		}
		if n := len(account.wrong); n > 0 {
			bad = append(bad, fmt.Sprintf("%d %s answered wrongly, the first: %s", n, k, account.wrong[0]))
		}
		if account.refused > 0 && account.first.Before(t.end) {
			bad = append(bad, fmt.Sprintf("%d %s refused, the first %v before the stop", account.refused, k, t.end.Sub(account.first)))
		}
		if account.sent == 0 {
			bad = append(bad, fmt.Sprintf("no %s was sent at all", k))
		}
	}
	if t.twice > 0 {
		bad = append(bad, fmt.Sprintf("%d requests began twice in a handler", t.twice))
	}
	if len(bad) == 0 {
		return nil
	}
	return errors.New(strings.Join(bad, "\n"))
}

// summary is one line for who watches.
func (t *turn) summary() string {
	sent, lost, late, told := 0, 0, 0, 0
	for _, k := range kinds {
		sent, late, told = sent+t.tally[k].sent, late+t.tally[k].late, told+t.tally[k].told
		lost += t.excuse[k]
	}
	return fmt.Sprintf("%3d times, %6d sent, %d lost with their process, %d late, %d told to go on elsewhere", t.times, sent, lost, late, told)
}
