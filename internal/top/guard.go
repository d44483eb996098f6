package top

import (
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"
)

// endings are the signals that end it as q does. By its default each of them would
// leave a terminal without echo, on its other screen.
var endings = []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT}

// quitOnSignals calls quit at each of the endings until it is stopped. One is often
// followed by another, as at the end of a login: that must not cut off the first.
func quitOnSignals(quit func()) (stop func()) {
	signals, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, endings...)
	go func() {
		for {
			select {
			case <-signals:
				quit()
			case <-over:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(over)
	}
}

// guarded is a model whose panics end the program in the ordinary way. The library
// would tell of one in a command while the process ends beside it, and be cut off.
type guarded struct {
	*Model
	quit func()

	mu  sync.Mutex
	why string // the first panic, and where it was
}

// broke is what has panicked; empty: nothing.
func (g *guarded) broke() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

// caught is deferred where there may be a panic.
func (g *guarded) caught() {
	value := recover()
	if value == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why == "" {
		g.why = fmt.Sprintf("panic: %v\n\n%s", value, debug.Stack())
		go g.quit() // who would take that in may be our caller
	}
}

// Init begins to ask.
func (g *guarded) Init() tea.Cmd { return g.guard(g.Model.Init()) }

// Update takes in a message, unless there was a panic.
func (g *guarded) Update(msg tea.Msg) (model tea.Model, cmd tea.Cmd) {
	model = g
	defer g.caught()
	if g.broke() == "" {
		_, cmd = g.Model.Update(msg)
	}
	return model, g.guard(cmd)
}

// View is what is shown, and nothing after a panic.
func (g *guarded) View() (view tea.View) {
	defer g.caught()
	if g.broke() == "" {
		view = g.Model.View()
	}
	return view
}

// guard does so for a command, and for those that it gives.
func (g *guarded) guard(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() (msg tea.Msg) {
		defer g.caught()
		msg = cmd()
		if batch, is := msg.(tea.BatchMsg); is {
			for i := range batch {
				batch[i] = g.guard(batch[i])
			}
		}
		return msg
	}
}
