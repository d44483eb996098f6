package postmortem

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// machine is a tree of files as a supervisor sees it.
type machine struct {
	fstest.MapFS
	now time.Time
}

func newMachine(files map[string]string) *machine {
	m := &machine{MapFS: fstest.MapFS{}, now: time.Unix(1000, 0)}
	for name, text := range files {
		m.set(name, text)
	}
	return m
}

func (m *machine) set(name, text string) { m.MapFS[name] = &fstest.MapFile{Data: []byte(text)} }

func (m *machine) oom() *OOM { return NewOOM(m.MapFS, func() time.Time { return m.now }) }

func TestOOMIsReadWhereItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		file  string
	}{
		"v2": {map[string]string{
			"proc/7/cgroup": "0::/system.slice/tandem.service\n",
			"sys/fs/cgroup/system.slice/tandem.service/memory.events": "low 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n",
		}, "sys/fs/cgroup/system.slice/tandem.service/memory.events"},
		"v2, seen from inside": {map[string]string{
			"proc/7/cgroup": "0::/../other\n", "sys/fs/cgroup/memory.events": "oom_kill 2\n",
		}, "sys/fs/cgroup/memory.events"},
		"v1": {map[string]string{
			"proc/7/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/x\n0::/\n",
			"sys/fs/cgroup/memory/docker/x/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
			"proc/vmstat": "oom_kill 100\n",
		}, "sys/fs/cgroup/memory/docker/x/memory.oom_control"},
		"v1, of an old kernel": {map[string]string{
			"proc/7/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n",
			"proc/vmstat": "nr_free_pages 1\noom_kill 2\n",
		}, "proc/vmstat"},
		"nothing":        {map[string]string{"proc/7/cgroup": "0::/\n"}, ""},
		"gone meanwhile": {nil, ""},
		"not a number":   {map[string]string{"proc/7/cgroup": "0::/\n", "sys/fs/cgroup/memory.events": "oom_kill many\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(tc.files)
			o := m.oom()
			if got := o.Watch(7); got != tc.file {
				t.Fatalf("watches %q", got)
			}
			if got := o.Killed(tc.file).Evidence; got != "" {
				t.Errorf("a kill before it was watched: %s", got)
			}
			if tc.file == "" {
				return
			}
			m.set(tc.file, "oom_kill 3\n")
			if got := o.Killed(tc.file).Evidence; !strings.Contains(got, "/"+tc.file+" ") && !strings.Contains(got, "/"+tc.file) || !strings.Contains(got, "rose to 3") {
				t.Errorf("evidence: %q", got)
			}
		})
	}
}

func TestEachOOMKillExplainsOneDeath(t *testing.T) {
	const file = "sys/fs/cgroup/memory.events"
	m := newMachine(map[string]string{"proc/7/cgroup": "0::/\n", file: "oom_kill 0\n"})
	o := m.oom()
	o.Watch(7)
	m.set(file, "oom_kill 2\n")
	for n := range 2 {
		if o.Killed(file).Evidence == "" {
			t.Errorf("two kills explain only %d deaths", n)
		}
	}
	if got := o.Killed(file); got.Evidence != "" {
		t.Errorf("a third: %+v", got)
	}
}

// A kill that was counted for some seconds when a worker died may have hit
// somebody else; one that was counted just now explains the death better.
func TestALateDeathIsProbablyAnOOMKill(t *testing.T) {
	const file = "sys/fs/cgroup/memory.events"
	m := newMachine(map[string]string{"proc/7/cgroup": "0::/\n", file: "oom_kill 0\n"})
	o := m.oom()
	o.Watch(7)
	m.set(file, "oom_kill 1\n")
	o.Look()
	m.now = m.now.Add(5 * time.Second)
	m.set(file, "oom_kill 2\n")
	if got := o.Killed(file); got.Evidence == "" || got.Late {
		t.Errorf("at once: %+v", got)
	}
	if got := o.Killed(file); !got.Late || !strings.Contains(got.Evidence, "5s before it died") {
		t.Errorf("5 s later: %+v", got)
	}
}

func TestAnOOMKillOfSomebodyElseIsForgotten(t *testing.T) {
	const file = "sys/fs/cgroup/memory.events"
	m := newMachine(map[string]string{"proc/7/cgroup": "0::/\n", file: "oom_kill 0\n"})
	o := m.oom()
	o.Watch(7)
	m.set(file, "oom_kill 1\n")
	o.Look()
	m.now = m.now.Add(unclaimed + time.Second)
	if got := o.Killed(file); got.Evidence != "" {
		t.Errorf("kill -9 long after it is put down to it: %+v", got)
	}
	m.set(file, "oom_kill 0\n") // the counter of another cgroup of that name
	o.Look()
	m.set(file, "oom_kill 1\n")
	if o.Killed(file).Evidence == "" {
		t.Error("a kill after the counter began anew is not seen")
	}
}
