package process

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Credential is whom a worker runs as.
type Credential struct {
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	Groups []int  `json:"groups"` // supplementary ones, sorted
	Name   string `json:"name"`   // for messages: "user www-data (uid 33, gid 33)"
}

// Limit is one resource limit of a worker.
type Limit struct {
	Name     string `json:"name"`     // for messages
	Resource int    `json:"resource"` // RLIMIT_…
	Soft     uint64 `json:"soft"`     // math.MaxUint64: unlimited
	Hard     uint64 `json:"hard"`
}

func (c *Credential) String() string { return c.Name }

// assume makes this process, a shim, run as c. Groups come first: who has
// changed the user cannot change them any more. Then it makes sure that there is
// no way back.
func (c *Credential) assume() (doing string, err error) {
	// What asks for nothing is not asked of the system, which might refuse it.
	if now, err := unix.Getgroups(); err != nil || !sameGroups(now, c.Groups) {
		if err := syscall.Setgroups(c.Groups); err != nil {
			return "take the groups of " + c.String(), err
		}
	}
	if err := syscall.Setresgid(c.GID, c.GID, c.GID); err != nil {
		return "become group " + strconv.Itoa(c.GID), err
	}
	if err := syscall.Setresuid(c.UID, c.UID, c.UID); err != nil {
		return "become " + c.String(), err
	}
	if c.UID == 0 {
		return "", nil // root was what it was, and is what it was told to be
	}
	// A change from root drops these by itself, one from another user that had
	// the capability for it does not.
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return "drop the ambient capabilities", err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return "drop the capabilities", err
	}
	return "make sure that there is no way back from " + c.String(), c.check()
}

// check says what is not as assume has made it. It tries to become root again:
// reading the ids alone would miss a capability that was left.
func (c *Credential) check() error {
	var r, e, s int
	var errs []error
	if r, e, s = unix.Getresuid(); r != c.UID || e != c.UID || s != c.UID {
		errs = append(errs, fmt.Errorf("uids are %d, %d and %d", r, e, s))
	}
	if r, e, s = unix.Getresgid(); r != c.GID || e != c.GID || s != c.GID {
		errs = append(errs, fmt.Errorf("gids are %d, %d and %d", r, e, s))
	}
	if now, err := unix.Getgroups(); err != nil || !sameGroups(now, c.Groups) {
		errs = append(errs, fmt.Errorf("groups are %v (%w)", now, err))
	}
	if syscall.Setuid(0) == nil || syscall.Setgid(0) == nil && c.GID != 0 {
		errs = append(errs, errors.New("root could be taken back"))
	}
	if len(errs) > 0 {
		return errors.Join(append(errs, syscall.EPERM)...)
	}
	return nil
}

func sameGroups(a, b []int) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

func setLimits(limits []Limit) (doing string, err error) {
	for _, l := range limits {
		// syscall's own: it knows that Go has raised the number of open files for
		// this process, and would otherwise put it back when the worker is executed.
		if err := syscall.Setrlimit(l.Resource, &syscall.Rlimit{Cur: l.Soft, Max: l.Hard}); err != nil {
			return fmt.Sprintf("set the resource limit %s=%d:%d", l.Name, l.Soft, l.Hard), err
		}
	}
	return "", nil
}
