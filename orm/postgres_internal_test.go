package orm

import (
	"io"
	"net"
	"syscall"
	"testing"
)

// pgx reads in the background once a statement has been slow to be sent, and that
// read goes on after the statement's end.
func TestAConnectionIsLookedAtThoughSomebodyReadsOnIt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	reads, enough, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_ = raw.Read(func(uintptr) bool {
			close(reads)
			<-enough
			return true
		})
	}()
	<-reads
	if !quiet(conn) {
		t.Error("nothing has come in, and it is not quiet")
	}
	close(enough)
	<-done
	_ = server.Close()
	// A read that comes back with the end is the event; the end stays to be seen.
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	if quiet(conn) {
		t.Error("the other side has closed it, and it is quiet")
	}
}
