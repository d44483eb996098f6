package orm_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// heldFile names, to a process of its own, the SQLite file that it is to hold.
const heldFile = "ORM_TEST_HELD_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(heldFile); path != "" {
		if err := holdLock(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// holdLock has a transaction of its own that has written to a file, until stdin
// ends.
func holdLock(path string) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate")
	if err != nil {
		return err
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE authors SET name = 'another process'"); err != nil {
		return err
	}
	fmt.Println("held")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return tx.Rollback()
}

// holder is another process that holds the lock for writing to a file.
type holder struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	ended bool
}

func hold(t *testing.T, path string) *holder {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), heldFile+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &holder{t: t, cmd: cmd, stdin: stdin}
	t.Cleanup(func() {
		if !h.ended {
			h.kill()
		}
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	return h
}

// release ends the other's transaction, and it.
func (h *holder) release() {
	h.t.Helper()
	h.ended = true
	_ = h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		h.t.Errorf("the other process: %v", err)
	}
}

// kill ends the other process within its transaction.
func (h *holder) kill() {
	h.t.Helper()
	h.ended = true
	if err := h.cmd.Process.Kill(); err != nil {
		h.t.Error(err)
	}
	_ = h.cmd.Wait()
}
