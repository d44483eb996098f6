// Package raw is an HTTP/1 client that sends octets as they are and reads what
// comes back without judging it.
//
// Invariant: what an Exchange says of the server is what was seen on the
// connection; that nothing comes is believed only after a bound has passed.
//
//	got, err := raw.Exchange(raw.Target{Addr: addr}, request, raw.Options{Timeout: 2 * time.Second})
package raw

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Target is a server.
type Target struct {
	Addr string
	TLS  bool // its certificate is not checked
}

// handshake bounds connecting.
const handshake = 10 * time.Second

// Dial connects.
func (t Target) Dial() (net.Conn, error) {
	dialer := &net.Dialer{Timeout: handshake}
	if !t.TLS {
		return dialer.Dial("tcp", t.Addr)
	}
	return tls.DialWithDialer(dialer, "tcp", t.Addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
}

// Options say how long to wait, and for what. The zero value waits for nothing.
type Options struct {
	Want    int           // final answers to wait for; 0: one
	Timeout time.Duration // for them
	Linger  time.Duration // after the last of them, for what else the server does
	Head    bool          // answers have no body

	// HalfClose has the client end its sending when nothing came within Timeout,
	// and wait half as long again.
	HalfClose bool
}

// State is how an exchange left its connection.
type State string

// The states.
const (
	Closed State = "closed"  // by the server
	Open   State = "open"    // answered, and kept
	Silent State = "timeout" // not answered, and not closed either
)

// Result is what came back.
type Result struct {
	Answers []*Response // those of 1xx among them
	State   State
}

// Final are the answers but those of 1xx; a switch of protocols is final too.
func (r Result) Final() []*Response {
	var final []*Response
	for _, a := range r.Answers {
		if a.final() {
			final = append(final, a)
		}
	}
	return final
}

// Exchange sends request on a connection of its own and reads the answers. The
// error is that of connecting.
func Exchange(t Target, request []byte, o Options) (Result, error) {
	conn, err := t.Dial()
	if err != nil {
		return Result{}, fmt.Errorf("exchange with %s: %w", t.Addr, err)
	}
	defer conn.Close()
	sent := make(chan struct{})
	go func() { // the answer may come before the request is out, and end that
		defer close(sent)
		_, _ = conn.Write(request)
	}()
	e := exchange{conn: conn, Options: o}
	e.Want = max(1, o.Want)
	e.run()
	_ = conn.Close()
	<-sent
	return e.Result, nil
}

type exchange struct {
	Options
	Result
	conn  net.Conn
	buf   []byte
	final int
}

func (e *exchange) run() {
	until, finished := time.Now().Add(e.Timeout), false
	for {
		if e.take(false) {
			linger := e.Linger
			if e.final > 0 && e.last().Closing() {
				linger = e.Timeout // it says that the end will come
			}
			if e.final >= e.Want {
				until = time.Now().Add(linger)
			}
		}
		ended, late := e.read(until)
		switch {
		case ended:
			e.take(true)
			e.State = Closed
			return
		case late && e.final == 0 && e.HalfClose && !finished:
			finished = true
			until = time.Now().Add(e.Timeout / 2)
			if half, ok := e.conn.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		case late && e.final > 0:
			e.State = Open
			return
		case late:
			e.State = Silent
			return
		}
	}
}

func (e *exchange) last() *Response { return e.Answers[len(e.Answers)-1] }

// take moves whole answers out of the buffer, and says whether one was final.
func (e *exchange) take(ended bool) (some bool) {
	for {
		r, rest := cut(e.buf, ended, e.Head)
		if r == nil {
			return some
		}
		e.Answers, e.buf = append(e.Answers, r), rest
		if r.final() {
			e.final++
			some = true
		}
	}
}

// read reads once.
func (e *exchange) read(until time.Time) (ended, late bool) {
	var piece [16 << 10]byte
	_ = e.conn.SetReadDeadline(until)
	n, err := e.conn.Read(piece[:])
	e.buf = append(e.buf, piece[:n]...)
	switch {
	case err == nil:
		return false, false
	case errors.Is(err, os.ErrDeadlineExceeded):
		return false, true
	}
	return true, false // EOF, or reset
}
