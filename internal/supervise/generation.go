package supervise

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/process"
)

// generation is what workers are started from: executable, arguments,
// environment and directory, resolved once. Respawns use the same, whatever has
// changed on disk since.
type generation struct {
	number arbiter.Generation
	config *config.Loaded
	exe    *process.Executable
	argv   []string
	env    []string
	dir    string // empty: the supervisor's own
}

func resolve(n arbiter.Generation, l *config.Loaded) (*generation, error) {
	dir := l.Chdir.String()
	if dir != "" {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return nil, fmt.Errorf("--chdir %s: %w", dir, err)
		}
		if dir, err = filepath.Abs(real); err != nil {
			return nil, fmt.Errorf("--chdir %s: %w", l.Chdir, err)
		}
	}
	path, argv, err := config.ResolveCommand(l.Command, dir)
	if err != nil {
		return nil, err
	}
	exe, err := process.Open(path)
	if err != nil {
		return nil, err
	}
	return &generation{number: n, config: l, exe: exe, argv: argv, env: l.WorkerEnv(), dir: dir}, nil
}

// environ is the environment of one worker of so many, but for what the shim adds.
func (g *generation) environ(id arbiter.WorkerID, workers int, share budget.Share, listeners []string, notifyAddr string) []string {
	env := append([]string(nil), g.env...)
	env = append(env, share.Env()...)
	if len(listeners) > 0 {
		env = append(env,
			"LISTEN_FDS="+strconv.Itoa(len(listeners)),
			"LISTEN_FDNAMES="+strings.Join(listeners, ":"))
	}
	if t := time.Duration(g.config.Timeout); t > 0 {
		env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(t.Microseconds(), 10))
	}
	return append(env,
		"TANDEM_BOOT_TIMEOUT_USEC="+strconv.FormatInt(time.Duration(g.config.BootTimeout).Microseconds(), 10),
		"TANDEM_GRACEFUL_TIMEOUT_USEC="+strconv.FormatInt(time.Duration(g.config.GracefulTimeout).Microseconds(), 10),
		"NOTIFY_SOCKET="+notifyAddr,
		"TANDEM_WORKER_ID="+strconv.FormatUint(uint64(id), 10),
		"TANDEM_GENERATION="+strconv.Itoa(int(g.number)),
		"TANDEM_WORKERS="+strconv.Itoa(workers))
}

func has(env []string, name string) bool {
	for _, kv := range env {
		if strings.HasPrefix(kv, name+"=") {
			return true
		}
	}
	return false
}

// prepared is the answer to the arbiter's Prepare.
type prepared struct {
	number arbiter.Generation
	gen    *generation
	err    error
	print  string // of the files before they were read, with --watch
}

// prepare resolves a generation off the loop: a directory may be on a file
// system that takes its time.
func (s *Supervisor) prepare(n arbiter.Generation) {
	current := s.config
	go func() {
		m := prepared{number: n, print: printOf(current)}
		fresh, err := current.Reload()
		if err == nil {
			m.gen, err = resolve(n, fresh)
		}
		m.err = err
		if !s.send(m) && m.gen != nil {
			_ = m.gen.exe.Close()
		}
	}()
}

func (m prepared) handle(s *Supervisor) {
	s.lookout.print = m.print
	if m.err != nil {
		s.step(arbiter.PrepareFailed{Generation: m.number, Reason: m.err.Error()})
		return
	}
	settings := arbiterSettings(m.gen.config, s.opt.Limits)
	workers, wanted := 0, s.core.Snapshot().Wanted
	if was := arbiterSettings(s.config, s.opt.Limits); was.Workers != settings.Workers {
		workers, wanted = settings.Workers, settings.Workers // newly configured; otherwise a scaling by hand stays
	}
	if _, err := m.gen.config.Connections(wanted); err != nil {
		s.logError("close an executable", m.gen.exe.Close())
		s.step(arbiter.PrepareFailed{Generation: m.number, Reason: err.Error()})
		return
	}
	s.generations[m.number] = m.gen
	s.extend(time.Duration(m.gen.config.ReloadTimeout)) // the bound that counts from now on
	s.step(arbiter.Prepared{Generation: m.number, Settings: settings, Workers: workers})
}

// release closes the executable of a generation of which no worker will be
// started again.
func (s *Supervisor) release(n arbiter.Generation) {
	if g := s.generations[n]; g != nil {
		delete(s.generations, n)
		s.logError("close the executable of generation "+strconv.Itoa(int(n)), g.exe.Close())
	}
}
