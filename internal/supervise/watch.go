package supervise

import (
	"os"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/watch"
)

// watchQuiet is how long the executable and the env file must have been left alone
// before a reload: a build writes for a while, and then renames.
const watchQuiet = 200 * time.Millisecond

// lookout is what --watch knows. The loop owns it.
type lookout struct {
	print  string // of the files, when the last generation was made of them
	failed bool   // the last reload did, so the next change begins another whatever the print
}

// watchFiles asks for a reload when what it would start has changed. What has
// changed before, since the last generation was made, counts, too: also what
// changed while an upgrade in place was under way. Without --watch it does nothing.
func (s *Supervisor) watchFiles() {
	l := s.opt.Config // what a reload cannot change is all that is used
	if !l.Watch {
		return
	}
	begun := false
	w, err := watch.New(watch.Options{
		Paths: func() []string { return watchedFiles(l) },
		Quiet: watchQuiet,
		Changed: func(print string) {
			if canRun(l) {
				s.send(filesChanged{print, begun})
			}
			begun = true
		},
		Failed: func(err error) { s.log.Error("--watch does not see all changes; HUP reloads", "error", err) },
	})
	if err != nil {
		s.log.Error("--watch does not work; HUP reloads", "error", err)
		return
	}
	go w.Run(s.done)
}

// filesChanged says that the files are at rest and the executable can be started.
type filesChanged struct {
	print string
	event bool // something happened to them; else this is the first look
}

func (m filesChanged) handle(s *Supervisor) {
	same := m.print == s.lookout.print && !(m.event && s.lookout.failed)
	if same || s.core.Snapshot().Phase == arbiter.PhaseStopping {
		return
	}
	s.lookout = lookout{print: m.print}
	s.log.Info("the worker executable or the env file has changed")
	s.as(byWatch, func() { s.askReload(0) })
}

// watchedFiles lists what decides on the next generation.
func watchedFiles(l *config.Loaded) []string {
	list := config.CommandPlaces(l.Command, l.Chdir.String())
	if path := l.EnvFile.Path; path != "" {
		list = append(list, path)
	}
	return list
}

// printOf identifies the files of --watch as they are now; "" without it.
func printOf(l *config.Loaded) string {
	if !l.Watch {
		return ""
	}
	return watch.Print(watchedFiles(l))
}

// canRun says whether a reload would find something to start. A file that is
// being written may be executable, and empty.
func canRun(l *config.Loaded) bool {
	path, _, err := config.ResolveCommand(l.Command, l.Chdir.String())
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}
