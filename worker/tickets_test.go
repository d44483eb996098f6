package worker_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/certs/certtest"
	"github.com/tandem-go/tandem/internal/channel"
)

// tell tells a worker keys of tickets, and waits until it has them.
func (p *proc) tell(t *testing.T, keys ...byte) {
	t.Helper()
	told := make(channel.TicketKeys, len(keys))
	for i, key := range keys {
		told[i] = bytes.Repeat([]byte{key}, 32)
	}
	for _, m := range []channel.Message{{Type: channel.Tickets, TicketKeys: told}, channel.Greeting()} {
		if err := p.channel.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	if m, _, err := p.channel.Receive(); err != nil || m.Type != channel.Hello { // it answers in order
		t.Fatal(m, err)
	}
}

// Tickets resume at every worker that was told their key, and at none that was not.
func TestTicketsResumeAtAnotherWorker(t *testing.T) {
	ca := certtest.New(t, "authority of a test")
	cert, key := ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}}).Write(t, t.TempDir())
	var addrs [2]string
	var workers [2]*proc
	for i := range workers {
		var fd int
		fd, addrs[i] = listen(t)
		workers[i] = start(t, fd, "TLS_FILES="+cert+","+key)
	}
	clients := map[uint16]*tls.Config{}
	resumes := func(at int, want bool) {
		t.Helper()
		for _, config := range clients {
			c := tls.Client(dial(t, addrs[at]).Conn, config)
			client := &client{Conn: c, r: bufio.NewReader(c)}
			client.must(t, "/", "") // tickets of TLS 1.3 come before the answer
			if state := c.ConnectionState(); state.DidResume != want || state.Version != config.MaxVersion {
				t.Errorf("worker %d, %s: resumed %v", at, tls.VersionName(state.Version), state.DidResume)
			}
			_ = c.Close()
		}
	}
	forget := func() {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			clients[version] = &tls.Config{
				RootCAs: ca.Pool(), ServerName: "a.example", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1),
			}
		}
	}
	forget()
	resumes(0, false)
	resumes(0, true) // keys of its own
	resumes(1, false)

	forget()
	workers[0].tell(t, 1)
	workers[1].tell(t, 1)
	resumes(0, false)
	resumes(1, true)
	workers[0].tell(t, 2, 1)
	resumes(0, true) // and gets a ticket of the new key
	resumes(1, false)
	workers[1].tell(t, 2, 1)
	resumes(0, true)
	resumes(1, true)
	workers[0].tell(t, 4, 3)
	resumes(0, false)
	for _, p := range workers {
		p.signal(t, syscall.SIGTERM)
		p.code(t, 0)
	}
}
