package supervise

import (
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/scoreboard"
	"github.com/tandem-go/tandem/internal/socket"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// The parts of the state that the Supervisor carries itself.
const (
	PartName    = "supervise"
	LogPart     = "log"
	MetricsPart = "metrics"
)

// saved is a Supervisor for the program that takes over. Times are ages: how
// long before the state was written.
type saved struct {
	Core        arbiter.Saved        `json:"core"`
	Age         time.Duration        `json:"age"`
	Listeners   []socket.State       `json:"listeners"`
	Siblings    *SiblingsState       `json:"siblings,omitempty"`
	Refused     bool                 `json:"refused"`
	Termed      bool                 `json:"termed"`
	Generations []savedGeneration    `json:"generations"`
	Workers     []savedWorker        `json:"workers"`
	Spawns      []arbiter.Spawn      `json:"spawns,omitempty"`
	Ticket      uint64               `json:"ticket"`
	Waiters     []savedWaiter        `json:"waiters,omitempty"`
	LastWords   []string             `json:"last_words,omitempty"`
	Poison      postmortem.Poison    `json:"poison"`
	HungInRow   int                  `json:"hung_in_row"`
	Hung        []arbiter.WorkerID   `json:"hung,omitempty"`
	LastUpgrade *control.LastUpgrade `json:"last_upgrade,omitempty"`
	Watched     []byte               `json:"watched,omitempty"` // see lookout.print
	Tickets     *savedTickets        `json:"tickets,omitempty"` // secret
	By          accountable          `json:"by,omitzero"`

	// Of the upgrade that carries this.
	Callers   []int `json:"callers,omitempty"` // who wait for its outcome
	Signals   []int `json:"signals,omitempty"` // to be taken in afterwards
	Unwatched int64 `json:"unwatched"`         // since when nobody watches, CLOCK_BOOTTIME
}

type savedGeneration struct {
	Number arbiter.Generation      `json:"number"`
	Config config.Saved            `json:"config"`
	Exe    process.ExecutableState `json:"exe"`
	Argv   [][]byte                `json:"argv"`
	Env    [][]byte                `json:"env"`
	Dir    []byte                  `json:"dir,omitempty"`
}

type savedWorker struct {
	ID         arbiter.WorkerID    `json:"id"`
	Generation arbiter.Generation  `json:"generation"`
	Age        time.Duration       `json:"age"`
	Process    process.State       `json:"process"`
	Notify     notify.State        `json:"notify"`
	Channel    int                 `json:"channel"`
	Board      int                 `json:"board"`
	Log        logpipe.WorkerState `json:"log"`
	Ready      bool                `json:"ready"`
	Unheard    bool                `json:"unheard"`
	Command    [][]byte            `json:"command"`
	Left       *savedRemains       `json:"left,omitempty"`
	Recycling  recycling           `json:"recycling"`
	Stalled    bool                `json:"stalled"`
	Drain      bool                `json:"drain"`
	Quick      bool                `json:"quick"`
	Leaving    *time.Duration      `json:"leaving,omitempty"` // for how long
	Aborted    string              `json:"aborted,omitempty"`
	Killed     string              `json:"killed,omitempty"`
	Failed     string              `json:"failed,omitempty"`
	LastRSS    *int64              `json:"last_rss,omitempty"`
	Share      budget.Share        `json:"share,omitzero"`
	Tickets    int                 `json:"tickets,omitempty"`
}

// savedRemains is what was seen of a worker when it ended.
type savedRemains struct {
	OOM      postmortem.OOMKill   `json:"oom_kill"`
	Requests []postmortem.Request `json:"requests,omitempty"`
	Unlisted int                  `json:"unlisted,omitempty"`
}

func (r *savedRemains) remains() *remains {
	if r == nil {
		return nil
	}
	return &remains{oom: r.OOM, requests: r.Requests, unlisted: r.Unlisted}
}

// savedWaiter waits for the outcome of a reload.
type savedWaiter struct {
	Ticket uint64 `json:"ticket"`
	FD     int    `json:"fd"`
}

// save gives the supervisor's own part of the state.
func (s *Supervisor) save(keep upgrade.Keep) (any, error) {
	now := time.Now()
	st := saved{
		Core: s.core.State(now), Age: now.Sub(s.started), Refused: s.refused, Termed: s.termed,
		Spawns: s.spawns, Ticket: s.ticket, LastWords: s.lastWords, Poison: s.poison,
		HungInRow: s.told.vigil.inRow, LastUpgrade: s.lastUpgrade, Watched: []byte(s.lookout.print),
		Tickets: s.tickets.save(now), By: s.by,
	}
	for id := range s.told.vigil.hung {
		st.Hung = append(st.Hung, id)
	}
	for _, l := range s.opt.Listeners {
		st.Listeners = append(st.Listeners, l.Save(keep))
	}
	if b := s.opt.Siblings; b != nil {
		was := b.State()
		keep(was.Fleet)
		keep(was.In)
		keep(was.Out)
		st.Siblings = &was
	}
	for _, g := range s.generations {
		st.Generations = append(st.Generations, savedGeneration{
			Number: g.number, Config: g.config.Save(), Exe: g.exe.Save(keep),
			Argv: raw(g.argv), Env: raw(g.env), Dir: []byte(g.dir),
		})
	}
	for _, w := range s.workers {
		sw, err := w.save(keep, now)
		if err != nil {
			return nil, fmt.Errorf("worker %d: %w", w.id, err)
		}
		st.Workers = append(st.Workers, sw)
	}
	for ticket, w := range s.waiters {
		if w.caller == nil {
			continue
		}
		if fd, err := w.caller.Save(keep); err == nil { // else it has hung up
			st.Waiters = append(st.Waiters, savedWaiter{ticket, fd})
		}
	}
	if u := s.upgrading; u != nil {
		u.save(&st, keep)
	}
	return st, nil
}

func (w *worker) save(keep upgrade.Keep, now time.Time) (sw savedWorker, err error) {
	sw = savedWorker{
		ID: w.id, Generation: w.generation, Age: now.Sub(w.started), Process: w.process.Save(keep),
		Board: keep(w.board.FD()), Ready: w.ready, Unheard: w.unheard, Command: raw(w.command), Recycling: w.recycling, Stalled: w.stalled,
		Drain: w.drain, Quick: w.quick, Aborted: w.aborted, Killed: w.killed, Failed: w.failed, LastRSS: w.lastRSS,
		Share: w.share, Tickets: w.tickets,
	}
	if !w.leaving.IsZero() {
		sw.Leaving = ptr(now.Sub(w.leaving))
	}
	if r := w.left.Load(); r != nil {
		sw.Left = &savedRemains{r.oom, r.requests, r.unlisted}
	}
	if sw.Notify, err = w.notify.Save(keep); err != nil {
		return sw, err
	}
	if sw.Channel, err = w.channel.Save(keep); err != nil {
		return sw, err
	}
	sw.Log, err = logpipe.SaveWorker(w.stdout, w.stderr, keep)
	return sw, err
}

// raw keeps strings that need not be UTF-8 from being mended by JSON.
func raw(list []string) [][]byte {
	out := make([][]byte, len(list))
	for i, text := range list {
		out[i] = []byte(text)
	}
	return out
}

func text(list [][]byte) []string {
	out := make([]string, len(list))
	for i, b := range list {
		out[i] = string(b)
	}
	return out
}

// CheckState is the check of the supervisor's own part: everything in it can be
// made, and this program reads the settings as the running one does.
func CheckState(t *upgrade.Taken, name string) error {
	var st saved
	if _, err := t.Get(name, &st); err != nil {
		return err
	}
	if _, err := arbiter.Restore(st.Core, time.Now()); err != nil {
		return err
	}
	if _, err := st.config(t); err != nil {
		return err
	}
	take := func(fd int) (int, error) { return t.FD(fd) }
	for _, g := range st.Generations {
		if _, err := g.adopt(t, take); err != nil {
			return err
		}
	}
	for _, l := range st.Listeners {
		if _, err := socket.Adopt(l, take); err != nil {
			return err
		}
	}
	if _, err := st.Siblings.adopt(take); err != nil {
		return err
	}
	for _, w := range st.Workers {
		if _, err := w.adopt(take, time.Now()); err != nil {
			return fmt.Errorf("worker %d: %w", w.ID, err)
		}
	}
	for _, w := range st.Waiters {
		if _, err := control.AdoptCaller(w.FD, take); err != nil {
			return err
		}
	}
	return nil
}

// Config gives the settings of the generation that serves, nil without a state.
func Config(t *upgrade.Taken) (*config.Loaded, error) {
	var st saved
	if found, err := t.Get(PartName, &st); !found || err != nil {
		return nil, err
	}
	return st.config(t)
}

// config makes the settings of the generation that serves.
func (st *saved) config(t *upgrade.Taken) (*config.Loaded, error) {
	i := slices.IndexFunc(st.Generations, func(g savedGeneration) bool { return g.Number == st.Core.Generation })
	if i < 0 {
		return nil, fmt.Errorf("the state does not have generation %d, which serves", st.Core.Generation)
	}
	return st.Generations[i].config(t)
}

func (g savedGeneration) config(t *upgrade.Taken) (*config.Loaded, error) {
	args := t.Args()
	return config.Restore(args[min(1, len(args)):], os.Environ(), g.Config)
}

func (g savedGeneration) adopt(t *upgrade.Taken, take func(int) (int, error)) (*generation, error) {
	loaded, err := g.config(t)
	if err != nil {
		return nil, fmt.Errorf("generation %d: %w", g.Number, err)
	}
	exe, err := process.AdoptExecutable(g.Exe, take)
	if err != nil {
		return nil, fmt.Errorf("generation %d: %w", g.Number, err)
	}
	return &generation{number: g.Number, config: loaded, exe: exe, argv: text(g.Argv), env: text(g.Env), dir: string(g.Dir)}, nil
}

// adopt takes over what workers share, if they share something.
func (was *SiblingsState) adopt(take func(int) (int, error)) (*Siblings, error) {
	if was == nil {
		return nil, nil
	}
	var mine SiblingsState
	for _, fd := range []struct {
		n    int
		mine *int
	}{{was.Fleet, &mine.Fleet}, {was.In, &mine.In}, {was.Out, &mine.Out}} {
		var err error
		if *fd.mine, err = take(fd.n); err != nil {
			return nil, fmt.Errorf("take over what workers share: %w", err)
		}
	}
	return AdoptSiblings(mine)
}

// adopt makes a worker but for its log.
func (sw savedWorker) adopt(take func(int) (int, error), now time.Time) (w *worker, err error) {
	w = &worker{
		id: sw.ID, generation: sw.Generation, started: now.Add(-sw.Age), ready: sw.Ready, unheard: sw.Unheard,
		mortal: mortal{
			command: text(sw.Command), drain: sw.Drain, quick: sw.Quick,
			aborted: sw.Aborted, killed: sw.Killed, failed: sw.Failed, lastRSS: sw.LastRSS,
		},
		recycling: sw.Recycling,
		share:     sw.Share,
		tickets:   sw.Tickets,
		vitals:    vitals{stalled: sw.Stalled},
	}
	if sw.Leaving != nil {
		w.leaving = now.Add(-*sw.Leaving)
	}
	w.left.Store(sw.Left.remains())
	if w.process, err = process.Adopt(sw.Process, take); err != nil {
		return nil, err
	}
	if w.notify, err = notify.Adopt(sw.Notify, take); err != nil {
		return nil, err
	}
	if w.channel, err = channel.Adopt(sw.Channel, take); err != nil {
		return nil, err
	}
	fd, err := take(sw.Board)
	if err != nil {
		return nil, fmt.Errorf("take over a scoreboard: %w", err)
	}
	if w.board, err = scoreboard.Adopt(fd); err != nil {
		return nil, err
	}
	return w, nil
}
