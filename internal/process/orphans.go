package process

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// markName is the variable that marks all that comes of one worker, whatever
// process group or session it has made for itself. It is told by 128 random bits
// and not by the worker's number: a supervisor that is itself a worker has
// workers of the same numbers.
const markName = "TANDEM_WORKER_MARK"

// children are the processes that this package has forked and not yet reaped:
// the others that the kernel makes our children are orphans. Only who holds the
// lock may fork, or reap what it did not fork. (A program that takes over by an
// exec in place has children that it did not fork: who adopts them adds them here
// before ReapOrphans runs.)
var children = struct {
	sync.Mutex
	ours map[int]bool
	less chan struct{} // one waiting: one of ours was reaped, which may have hidden an orphan
}{ours: map[int]bool{}, less: make(chan struct{}, 1)}

// forkOurs forks on the thread that forks. The caller reaps the child, and then
// calls reaped; until then nobody else will.
func forkOurs(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	children.Lock()
	defer children.Unlock()
	onForkThread(func() { pid, err = syscall.ForkExec(path, argv, attr) })
	if err == nil {
		children.ours[pid] = true
	}
	return pid, err
}

// reaped says that a child of ours is gone.
func reaped(pid int) {
	children.Lock()
	defer children.Unlock()
	delete(children.ours, pid)
	select {
	case children.less <- struct{}{}:
	default:
	}
}

// newMark gives what is put into a worker's environment.
func newMark() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime ends the program instead
	return markName + "=" + hex.EncodeToString(b[:])
}

// AdoptOrphans makes this process the parent of all that lose theirs below it,
// as process 1 of a container is anyway: a worker that has ended leaves nothing
// out of our sight.
func AdoptOrphans() error {
	if os.Getpid() == 1 {
		return nil
	}
	return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// ReapOrphans reaps the orphans that this process has adopted, until ctx ends.
// The children that this package forked are left to their Wait: how an orphan
// has ended never means anything. After an exec in place it must not begin
// before the children of the program before us are adopted.
func ReapOrphans(ctx context.Context, log *slog.Logger) {
	ended := make(chan os.Signal, 1) // signals that come together are one: reapOrphans takes all there are
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		reapOrphans(log)
		select {
		case <-ended:
		case <-children.less:
		case <-ctx.Done():
			return
		}
	}
}

// reapOrphans looks before it reaps: the kernel cannot be asked for "any child
// but these".
func reapOrphans(log *slog.Logger) {
	for {
		if pid, status, ok := reapOrphan(); ok {
			log.Debug("reaped an orphan", "pid", pid, "cause", Exit{Status: status}.String())
			continue
		}
		return
	}
}

func reapOrphan() (pid int, status unix.WaitStatus, ok bool) {
	children.Lock()
	defer children.Unlock()
	pid, err := endedChild()
	// One of ours hides those behind it until it is reaped; reaped then asks for
	// another look.
	if err != nil || pid == 0 || children.ours[pid] {
		return 0, 0, false
	}
	err = retryEINTR(func() error {
		_, err := unix.Wait4(pid, &status, 0, nil)
		return err
	})
	return pid, status, err == nil
}

// endedChild gives a child that has ended, and leaves it; 0 when there is none.
func endedChild() (int, error) {
	var info unix.Siginfo
	err := retryEINTR(func() error {
		return unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	})
	if err != nil {
		return 0, err
	}
	// si_pid is the first of the union behind three ints, which is aligned as a
	// pointer. unix.Siginfo does not name it.
	const offset = (3*4 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), offset))), nil
}

// endMarked kills what a worker that has ended left behind outside its process
// group: its mark is in their environment. It looks among the orphans that we
// have adopted and what is below them, again until it finds no more. A process
// that has taken the mark out of its environment is left alone: that is how a
// program starts one that is meant to outlive it.
func endMarked(mark string) {
	const rounds = 100 // what forks faster than it is killed is not waited for
	killed := map[int]bool{}
	for range rounds {
		fresh := false
		for todo := orphans(); len(todo) > 0; todo = todo[1:] {
			pid := todo[0]
			if killed[pid] {
				todo = append(todo, childrenOf(pid)...)
				continue
			}
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				continue
			}
			// Looked at after it was opened: so it is that one which is killed.
			if marked(pid, mark) {
				todo = append(todo, childrenOf(pid)...)
				_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
				killed[pid], fresh = true, true
			}
			unix.Close(fd)
		}
		if !fresh {
			return
		}
	}
}

func marked(pid int, mark string) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false // gone, or another user's that we may not look into
	}
	for kv := range bytes.SplitSeq(b, []byte{0}) {
		if string(kv) == mark {
			return true
		}
	}
	return false
}

// orphans are our children that we did not fork.
func orphans() []int {
	children.Lock()
	defer children.Unlock()
	var list []int
	for _, pid := range childrenOf(os.Getpid()) {
		if !children.ours[pid] {
			list = append(list, pid)
		}
	}
	return list
}

// childrenOf reads who the children of pid are, those of each of its threads.
func childrenOf(pid int) []int {
	files, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	var list []int
	for _, file := range files {
		b, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		for _, field := range bytes.Fields(b) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}
