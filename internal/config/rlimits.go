package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Rlimit is one resource limit of the workers.
type Rlimit struct {
	Name       string // "nofile"
	Resource   int    // the system's number for it
	Soft, Hard uint64 // math.MaxUint64: unlimited
}

// Rlimits are resource limits, each resource at most once.
type Rlimits []Rlimit

var resources = []struct {
	name     string
	resource int
}{
	{"as", unix.RLIMIT_AS},
	{"core", unix.RLIMIT_CORE},
	{"cpu", unix.RLIMIT_CPU},
	{"data", unix.RLIMIT_DATA},
	{"fsize", unix.RLIMIT_FSIZE},
	{"memlock", unix.RLIMIT_MEMLOCK},
	{"msgqueue", unix.RLIMIT_MSGQUEUE},
	{"nice", unix.RLIMIT_NICE},
	{"nofile", unix.RLIMIT_NOFILE},
	{"nproc", unix.RLIMIT_NPROC},
	{"rtprio", unix.RLIMIT_RTPRIO},
	{"rttime", unix.RLIMIT_RTTIME},
	{"sigpending", unix.RLIMIT_SIGPENDING},
	{"stack", unix.RLIMIT_STACK},
}

// Set replaces the list by the limits in text, which commas separate; "" is none.
func (r *Rlimits) Set(text string) error {
	var list Rlimits
	if text != "" {
		for part := range strings.SplitSeq(text, ",") {
			one, err := parseRlimit(strings.TrimSpace(part))
			if err != nil {
				return err
			}
			if slices.ContainsFunc(list, func(l Rlimit) bool { return l.Name == one.Name }) {
				return fmt.Errorf("names %s twice", one.Name)
			}
			list = append(list, one)
		}
	}
	*r = list
	return nil
}

// Add appends the limits in text: that is what a repeated flag means.
func (r *Rlimits) Add(text string) error {
	return r.Set(strings.TrimPrefix(r.String()+","+text, ","))
}

func (r Rlimits) String() string {
	var texts []string
	for _, l := range r {
		text := l.Name + "=" + amount(l.Soft)
		if l.Hard != l.Soft {
			text += ":" + amount(l.Hard)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ",")
}

func parseRlimit(text string) (Rlimit, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return Rlimit{}, errors.New("is not NAME=SOFT or NAME=SOFT:HARD, as in nofile=65536")
	}
	var l Rlimit
	var names []string
	for _, r := range resources {
		names = append(names, r.name)
		if strings.EqualFold(name, r.name) {
			l.Name, l.Resource = r.name, r.resource
		}
	}
	if l.Name == "" {
		return Rlimit{}, fmt.Errorf("names no limit that there is: one of %s", strings.Join(names, ", "))
	}
	soft, hard, two := strings.Cut(value, ":")
	var err error
	if l.Soft, err = parseAmount(soft); err != nil {
		return Rlimit{}, err
	}
	l.Hard = l.Soft
	if two {
		if l.Hard, err = parseAmount(hard); err != nil {
			return Rlimit{}, err
		}
	}
	if l.Soft > l.Hard {
		return Rlimit{}, fmt.Errorf("has a soft limit of %s above the hard one", l.Name)
	}
	return l, nil
}

// parseAmount reads a number, a size, or unlimited.
func parseAmount(text string) (uint64, error) {
	switch strings.ToLower(text) {
	case "unlimited", "infinity", "inf":
		return math.MaxUint64, nil
	}
	var b Bytes
	if err := b.Set(text); err != nil {
		return 0, fmt.Errorf("has %q in it, which is not a number, a size such as 1GiB, or unlimited", text)
	}
	return uint64(b), nil
}

func amount(n uint64) string {
	if n == math.MaxUint64 {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// checkRlimits refuses limits that this process may not give.
func (l *Loaded) checkRlimits() error {
	for _, r := range l.Rlimit {
		var now syscall.Rlimit
		if err := syscall.Getrlimit(r.Resource, &now); err != nil {
			return l.bad("rlimit", "names %s, which this system does not know: %w", r.Name, err)
		}
		if r.Hard > now.Max && !mayRaiseLimits() {
			return l.bad("rlimit", "raises %s above its hard limit of %s, which takes root or CAP_SYS_RESOURCE; whoever starts the supervisor can raise it (systemd: LimitNOFILE= and the like)", r.Name, amount(now.Max))
		}
	}
	return nil
}

func mayRaiseLimits() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) != nil || data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0
}
