package budget

import (
	"os"
	"slices"
	"testing"
	"testing/fstest"
)

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

const meminfo = "MemTotal:        8000000 kB\nMemFree: 1 kB\n"

func TestMemoryIsTheSmallestLimitAboveUs(t *testing.T) {
	const machine = 8000000 << 10
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		want int64
	}{
		"no cgroup": {fstest.MapFS{"proc/meminfo": file(meminfo)}, machine},
		"v2 leaf": {fstest.MapFS{
			"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("1000\n"), "sys/fs/cgroup/a/memory.max": file("max\n"),
		}, 1000},
		"v2 unlimited leaf under a limited parent": {fstest.MapFS{
			"proc/meminfo": file(meminfo), "proc/self/cgroup": file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("2000\n"),
		}, 2000},
		"v1": {fstest.MapFS{
			"proc/meminfo": file(meminfo), "proc/self/cgroup": file("3:cpu,cpuacct:/x\n2:memory:/x\n"),
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("3000\n"),
		}, 3000},
		"v1 says unlimited by a huge number": {fstest.MapFS{
			"proc/meminfo": file(meminfo), "proc/self/cgroup": file("2:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
		}, machine},
		"no meminfo, no cgroup": {fstest.MapFS{}, 5000},
		"no meminfo, a limit": {fstest.MapFS{
			"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("1000\n"),
		}, 1000},
		"no meminfo, a limit above the machine": {fstest.MapFS{
			"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("6000\n"),
		}, 5000},
	} {
		if got := memory(c.fs, func() int64 { return 5000 }); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestMemoryMayBeUnknown(t *testing.T) {
	if got := memory(fstest.MapFS{}, func() int64 { return 0 }); got != 0 {
		t.Errorf("%d of nothing", got)
	}
}

func TestTheKernelSaysWhatMeminfoSays(t *testing.T) {
	want := memory(os.DirFS("/"), func() int64 { return 0 })
	if want == 0 {
		t.Skip("no /proc/meminfo, and no cgroup that says a limit")
	}
	// A cgroup's limit may be less than the machine; the machine is never less.
	if got := sysinfo(); got < want {
		t.Errorf("%d bytes, want %d at least", got, want)
	}
}

func TestShareDividesAndNobodyGetsLessThanOneCPU(t *testing.T) {
	for _, c := range []struct {
		limits  Limits
		n       int
		want    Share
		workers int
	}{
		{Limits{CPUs: 2, Memory: 1000}, 4, Share{CPUs: 1, Memory: 225}, 2},
		{Limits{CPUs: 8, Memory: 1000}, 3, Share{CPUs: 2, Memory: 300}, 8},
		{Limits{CPUs: 0.5, Memory: 0}, 1, Share{CPUs: 1}, 1},
		{Limits{CPUs: 3.7, Memory: 10}, 0, Share{CPUs: 3, Memory: 9}, 3},
	} {
		if got := c.limits.Share(c.n); got != c.want {
			t.Errorf("%+v.Share(%d) = %+v, want %+v", c.limits, c.n, got, c.want)
		}
		if got := c.limits.Workers(); got != c.workers {
			t.Errorf("%+v.Workers() = %d, want %d", c.limits, got, c.workers)
		}
	}
	if got := (Share{CPUs: 2, Memory: 7, Connections: 20}).Env(); !slices.Equal(got, []string{"GOMAXPROCS=2", "GOMEMLIMIT=7B", "TANDEM_DB_CONNECTIONS=20"}) {
		t.Error(got)
	}
}

func TestWhatTheOperatorHasSetIsNoPartOfAShare(t *testing.T) {
	whole := Share{CPUs: 2, Memory: 7}
	for _, c := range []struct {
		cpus, memory bool
		want         []string
	}{
		{false, false, []string{"GOMAXPROCS=2", "GOMEMLIMIT=7B"}},
		{true, false, []string{"GOMEMLIMIT=7B"}},
		{false, true, []string{"GOMAXPROCS=2"}},
		{true, true, nil},
	} {
		if got := whole.Without(c.cpus, c.memory).Env(); !slices.Equal(got, c.want) {
			t.Errorf("Without(%v, %v) gives %q, want %q", c.cpus, c.memory, got, c.want)
		}
	}
}

func TestReadLooksPastGOMAXPROCSAndLeavesItAlone(t *testing.T) {
	free := Read()
	t.Setenv("GOMAXPROCS", "77")
	if got := Read(); got.CPUs != free.CPUs {
		t.Errorf("CPUs = %v under GOMAXPROCS=77, %v without", got.CPUs, free.CPUs)
	}
	if os.Getenv("GOMAXPROCS") != "77" {
		t.Error("GOMAXPROCS was not put back")
	}
	if free.CPUs <= 0 || free.Memory <= 0 {
		t.Errorf("%+v", free)
	}
}

func TestDivision(t *testing.T) {
	for want, got := range map[string]string{
		"each of 4 workers has 1 of 2 CPUs (GOMAXPROCS) and 460 of 2048 MiB (GOMEMLIMIT: 90% of the memory, divided)": Limits{2, 2 << 30}.Division(4),
		"the worker has 1 of 1.5 CPUs (GOMAXPROCS); how much memory there is is not known":                            Limits{1.5, 0}.Division(0),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
