package config

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// RunAs is whom the workers run as, where --user or --group ask for another
// than the supervisor's own. The groups are those that the account database
// had when the settings were loaded.
type RunAs struct {
	UID, GID int
	Groups   []int  // supplementary ones
	Name     string // of the user; "" when its number has no entry, or the user stays
	Home     string
	Changes  bool // of user, or else of groups only
}

// String names the user, for messages: `user www-data (uid 33)`.
func (r *RunAs) String() string {
	if r.Name == "" {
		return fmt.Sprintf("uid %d, gid %d", r.UID, r.GID)
	}
	return fmt.Sprintf("user %s (uid %d, gid %d)", r.Name, r.UID, r.GID)
}

// checkAccount resolves --user and --group, and refuses what this process may
// not change to.
func (l *Loaded) checkAccount() error {
	if l.Origins["no-new-privs"].Source == FromDefault {
		l.NoNewPrivs = l.User != ""
	}
	if l.User == "" && l.Group == "" {
		return nil
	}
	r := &RunAs{UID: os.Geteuid(), GID: os.Getegid()}
	if l.User != "" {
		if err := l.findUser(r); err != nil {
			return err
		}
	}
	if l.Group != "" {
		gid, err := groupID(string(l.Group))
		if err != nil {
			return l.bad("group", "%w", err)
		}
		r.GID = gid
	}
	if r.GID < 0 {
		return l.bad("user", "has no entry in the user database, so its group is not known: give --group too")
	}
	if !slices.Contains(r.Groups, r.GID) {
		r.Groups = append([]int{r.GID}, r.Groups...)
	}
	slices.Sort(r.Groups)
	r.Changes = r.UID != os.Geteuid()
	if !r.Changes && r.GID == os.Getegid() && os.Geteuid() != 0 {
		return nil // who we are already; its groups are the ones we have
	}
	if missing := missingCapabilities(); missing != "" {
		name := "user"
		if l.User == "" {
			name = "group"
		}
		return l.bad(name, "needs root, or the capabilities %s: this process has uid %d. Start the supervisor as root, or as that user and without --%s", missing, os.Geteuid(), name)
	}
	l.RunAs = r
	return nil
}

func (l *Loaded) findUser(r *RunAs) error {
	name := string(l.User)
	u, err := user.Lookup(name)
	number, isNumber := id(name)
	if err != nil && isNumber {
		u, err = user.LookupId(strconv.Itoa(number))
	}
	_, unknownName := errors.AsType[user.UnknownUserError](err)
	_, unknownID := errors.AsType[user.UnknownUserIdError](err)
	switch {
	case err != nil && isNumber && (unknownName || unknownID):
		r.UID, r.GID, r.Home = number, -1, "/"
		return nil
	case unknownName:
		return l.bad("user", "is not in the user database (getent passwd lists it)")
	case err != nil:
		return l.bad("user", "cannot be looked up: %w", err)
	}
	var ok, okGID bool
	r.UID, ok = id(u.Uid)
	r.GID, okGID = id(u.Gid)
	if !ok || !okGID {
		return l.bad("user", "has uid %s and gid %s in the user database, which are no ids", u.Uid, u.Gid)
	}
	r.Name, r.Home = u.Username, u.HomeDir
	groups, err := u.GroupIds()
	if err != nil {
		return l.bad("user", "cannot have its groups looked up: %w", err)
	}
	for _, g := range groups {
		if gid, ok := id(g); ok {
			r.Groups = append(r.Groups, gid)
		}
	}
	return nil
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err == nil {
		if gid, ok := id(g.Gid); ok {
			return gid, nil
		}
		return 0, fmt.Errorf("has gid %s in the group database, which is no id", g.Gid)
	}
	if gid, ok := id(name); ok {
		return gid, nil
	}
	if _, unknown := errors.AsType[user.UnknownGroupError](err); unknown {
		return 0, errors.New("is not in the group database (getent group lists it)")
	}
	return 0, fmt.Errorf("cannot be looked up: %w", err)
}

// id reads the number of a user or group. The largest one means "none" to the
// system.
func id(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return int(n), err == nil && n < 1<<32-1
}

// missingCapabilities names those of the ones that running workers as another
// user takes that this process has not: to become it, and to signal it.
func missingCapabilities() string {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return ""
	}
	var missing []string
	for _, c := range []struct {
		bit  int
		name string
	}{{unix.CAP_SETUID, "CAP_SETUID"}, {unix.CAP_SETGID, "CAP_SETGID"}, {unix.CAP_KILL, "CAP_KILL"}} {
		if data[0].Effective&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	return strings.Join(missing, ", ")
}

// personal are the variables that say something about the supervisor's user and
// would be wrong for another one.
var personal = map[string]bool{
	"HOME": true, "USER": true, "LOGNAME": true, "MAIL": true,
	"XDG_RUNTIME_DIR": true, "DBUS_SESSION_BUS_ADDRESS": true,
}

// withheld says whether a variable of the supervisor's environment is kept from
// the workers.
func (l *Loaded) withheld(key string) bool {
	return private(key) || l.RunAs != nil && l.RunAs.Changes && personal[key]
}

// ofAccount gives the variables of the workers' user that the env file has not.
func (l *Loaded) ofAccount() []string {
	if l.RunAs == nil || !l.RunAs.Changes {
		return nil
	}
	var env []string
	for _, v := range []EnvVar{{Key: "HOME", Value: l.RunAs.Home}, {Key: "USER", Value: l.RunAs.Name}, {Key: "LOGNAME", Value: l.RunAs.Name}} {
		inFile := slices.ContainsFunc(l.EnvFile.Vars, func(f EnvVar) bool { return f.Key == v.Key })
		if v.Value != "" && !inFile {
			env = append(env, v.Key+"="+v.Value)
		}
	}
	return env
}
