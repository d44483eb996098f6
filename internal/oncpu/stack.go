package oncpu

import (
	"bytes"
	"fmt"
	"path"
	"reflect"
	"runtime/pprof"
	"strings"
	"time"
)

const (
	topmost = 12          // frames of a stack that are reported
	between = time.Second // stacks of all goroutines
)

// mayLook says whether all stacks may be taken now, and not again for a second.
func (w *Watcher) mayLook() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stacks.IsZero() && time.Since(w.stacks) < between {
		return false
	}
	w.stacks = time.Now()
	return true
}

// stackOf returns where the goroutine of a slot is, the innermost call first, or
// nothing where it was not found.
//
// The runtime has no way to ask for the stack of one other goroutine. The profile
// of all stops the world only to begin and to end; goroutines run on while their
// stacks are taken. runtime.Stack would stop it for all of the time.
func stackOf(slot int) []string { return frames(recordOf(slot)) }

// recordOf returns the record of a slot's goroutine in the profile of all, as far
// as it is the call's own.
func recordOf(slot int) string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return ""
	}
	mark := fmt.Sprintf("\t%sinternal/oncpu.slot%d+", module, slot)
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		if below, _, found := strings.Cut(record, mark); found {
			return below
		}
	}
	return ""
}

// module is the path that our own packages begin with.
var module = strings.TrimSuffix(reflect.TypeFor[Watch]().PkgPath(), "internal/oncpu")

// frames picks the functions of one record of a profile, without Go's runtime and
// what calls the program's code.
func frames(record string) []string {
	var out []string
	for line := range strings.Lines(record) {
		// "#", address, function+offset, file:line; labels have a "#", too
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] != "#" || !strings.HasPrefix(fields[1], "0x") {
			continue
		}
		function, _, _ := strings.Cut(fields[2], "+0x")
		if ofOthers(function) {
			continue
		}
		out = append(out, function+" "+path.Base(strings.Join(fields[3:], " ")))
		if len(out) == topmost {
			break
		}
	}
	return out
}

func ofOthers(function string) bool {
	if strings.HasPrefix(function, "runtime.") {
		return true
	}
	own, is := strings.CutPrefix(function, module)
	return is && (strings.HasPrefix(own, "view.") || strings.HasPrefix(own, "bridge.") || strings.HasPrefix(own, "internal/oncpu."))
}
