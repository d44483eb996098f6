package scaffold

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// near is the origin of a source that nobody has named. What is there would be compiled and run, so it must be of the user
// uid or of root, and nobody else may add to it.
func near(dir string, uid int) (Origin, error) {
	if why := distrust(dir, uid); why != "" {
		return Origin{}, fmt.Errorf("the source of Tandem in %s is not taken: it would be compiled and run, and %s. If you trust it, name it by --source DIR; else name a version that is published by --tandem-version", dir, why)
	}
	return Origin{Source: dir}, nil
}

// distrust says who else than a user and root has a say in what is in a directory, or "".
func distrust(dir string, uid int) string {
	info, err := os.Stat(dir)
	if err != nil {
		return err.Error()
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode().Perm(); {
	case !ok:
		return "its owner is not known"
	case stat.Uid != 0 && int(stat.Uid) != uid:
		return fmt.Sprintf("it belongs to %s, not to you (uid %d)", called(stat.Uid), uid)
	case mode&0o002 != 0:
		return fmt.Sprintf("everybody may write to it (mode %04o)", mode)
	case mode&0o020 != 0 && !private(stat.Gid, uid):
		return fmt.Sprintf("the group with gid %d may write to it (mode %04o)", stat.Gid, mode)
	}
	return ""
}

// private: a group is the user's own, and has the user's name. Systems that make one for each user let it write to all
// that the user makes.
func private(gid uint32, uid int) bool {
	g, err := user.LookupGroupId(strconv.Itoa(int(gid)))
	if err != nil {
		return false
	}
	u, err := user.LookupId(strconv.Itoa(uid))
	return err == nil && u.Gid == g.Gid && u.Username == g.Name
}

// called names a user, if it has a name.
func called(uid uint32) string {
	id := strconv.Itoa(int(uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}
