package postmortem

import (
	"bytes"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/cgroup"
)

const (
	// unclaimed is how long an out-of-memory kill waits for the worker that it
	// ended to be found dead. It may have hit somebody else in the cgroup.
	unclaimed = 15 * time.Second
	// prompt is how soon a process is gone that the kernel has killed, unless it
	// had very much memory to give back. What dies later has probably, and no more,
	// died of it.
	prompt = 2 * time.Second
)

// OOMKill is what speaks for a death by want of memory. The zero value is that
// nothing does.
type OOMKill struct {
	Evidence string `json:"evidence,omitempty"`
	// Late says that the kill had been counted for a while when the worker died:
	// it may have hit somebody else, and the worker been killed by hand.
	Late bool `json:"late,omitempty"`
}

// OOM tells an out-of-memory kill from a SIGKILL that somebody sent, by the
// counters of the cgroups, or of the whole machine where those cannot be read.
// Each kill that was counted explains one death. Its methods may be called from
// any goroutine.
type OOM struct {
	root fs.FS
	now  func() time.Time

	mu    sync.Mutex
	files map[string]*oomCounter
}

type oomCounter struct {
	value uint64
	fresh []time.Time // when kills were first seen that explain no death yet
}

// NewOOM reads below root, which is os.DirFS("/") but in tests.
func NewOOM(root fs.FS, now func() time.Time) *OOM {
	return &OOM{root: root, now: now, files: make(map[string]*oomCounter)}
}

// Watch gives the counter that a living process's death will show in; "" when
// there is none to be read. Kills from now on count.
func (o *OOM) Watch(pid int) string {
	file := o.file(pid)
	if file == "" {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.look(file)
	return file
}

// Look takes note of kills; it should be called every few seconds, so that one
// which hit no worker is not taken for a later death's cause.
func (o *OOM) Look() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for file := range o.files {
		o.look(file)
	}
}

// Killed is called when a process has ended by SIGKILL that nobody of ours sent.
// It gives the evidence that the kernel did so for want of memory. The kernel
// says which process it chose in its log only, which a container cannot read.
func (o *OOM) Killed(file string) (k OOMKill) {
	if file == "" {
		return k
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.look(file)
	c := o.files[file]
	if c == nil || len(c.fresh) == 0 {
		return k
	}
	// The youngest is the likeliest to have been this one's.
	last := len(c.fresh) - 1
	since := o.now().Sub(c.fresh[last])
	c.fresh = c.fresh[:last]
	where := "the cgroup's counter oom_kill in /" + file
	if strings.HasSuffix(file, "vmstat") {
		where = "the machine's counter oom_kill in /" + file + " (the cgroup's cannot be read)"
	}
	k.Evidence = fmt.Sprintf("%s rose to %d", where, c.value)
	if k.Late = since > prompt; k.Late {
		k.Evidence += fmt.Sprintf(" %s before it died; that kill may have been somebody else's", since.Round(time.Second))
	}
	return k
}

func (o *OOM) look(file string) {
	value, ok := o.read(file)
	if !ok {
		return
	}
	c := o.files[file]
	if c == nil {
		o.files[file] = &oomCounter{value: value}
		return
	}
	now := o.now()
	for len(c.fresh) > 0 && now.Sub(c.fresh[0]) > unclaimed {
		c.fresh = c.fresh[1:]
	}
	for ; c.value < value && len(c.fresh) < 1000; c.value++ {
		c.fresh = append(c.fresh, now)
	}
	c.value = value
}

// file finds the counter of a process: of its cgroup or the nearest one above
// that has one.
func (o *OOM) file(pid int) string {
	for at := range cgroup.Memory(o.root, strconv.Itoa(pid)) {
		file := at.File("memory.events", "memory.oom_control")
		if _, ok := o.read(file); ok {
			return file
		}
	}
	if _, ok := o.read("proc/vmstat"); ok {
		return "proc/vmstat"
	}
	return ""
}

func (o *OOM) read(file string) (uint64, bool) {
	text, err := fs.ReadFile(o.root, file)
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(text) {
		if number, ok := bytes.CutPrefix(line, []byte("oom_kill ")); ok {
			n, err := strconv.ParseUint(string(bytes.TrimSpace(number)), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
