package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

const (
	streamsEach    = 3
	requestsEach   = 40
	betweenStreams = 20 * time.Millisecond
)

// talkHTTP2 opens one connection after the other, without TLS, and sends some
// requests on each, several at a time. A connection on which the server has said
// GOAWAY is left; a request that it declared unprocessed was told, not lost.
func talkHTTP2(ctx, sending context.Context, addr, name string, t *tally) {
	for n := 0; sending.Err() == nil; n++ {
		if !connectionOfHTTP2(ctx, sending, addr, fmt.Sprintf("%s-%d", name, n), t) {
			pause(sending, betweenStreams)
		}
	}
}

func connectionOfHTTP2(ctx, sending context.Context, addr, name string, t *tally) bool {
	var local string
	transport := &http.Transport{
		Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				local = c.LocalAddr().String()
			}
			return c, err
		},
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	conn, err := transport.NewClientConn(ctx, "http", addr)
	if err != nil {
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, syscall.ECONNREFUSED):
			t.refuse()
		default:
			t.count(func(t *tally) { t.sent++ })
			t.lose(local, fmt.Sprintf("h2 %s, preface: %v", name, err))
		}
		return false
	}
	defer conn.Close()
	var streams sync.WaitGroup
	for s := range streamsEach {
		streams.Go(func() {
			for i := range requestsEach {
				if sending.Err() != nil || conn.Reserve() != nil {
					return // GOAWAY has come
				}
				if !requestOfHTTP2(ctx, conn, addr, local, fmt.Sprintf("%s-%d-%d", name, s, i), t) {
					return
				}
				pause(sending, betweenStreams)
			}
		})
	}
	streams.Wait()
	return true
}

// requestOfHTTP2 sends one request exactly once and reports whether the
// connection can take another.
func requestOfHTTP2(ctx context.Context, conn *http.ClientConn, addr, local, id string, t *tally) bool {
	bounded, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	body := id + strings.Repeat(" x", 100)
	// A reader of a type that net/http does not know cannot be sent again.
	req, err := http.NewRequestWithContext(bounded, http.MethodPost, "http://"+addr+"/echo/?id="+id, io.MultiReader(strings.NewReader(body)))
	if err != nil {
		conn.Release()
		return false
	}
	begun := time.Now()
	resp, err := conn.RoundTrip(req)
	var answer []byte
	if err == nil {
		answer, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil && strings.Contains(err.Error(), "client conn not usable"):
		return false // GOAWAY came between Reserve and this: nothing was sent
	case err != nil && unprocessed(err):
		t.count(func(t *tally) { t.sent++; t.told++ })
		return false
	case err != nil:
		t.count(func(t *tally) { t.sent++ })
		t.lose(local, fmt.Sprintf("h2 %s: %v", id, err))
		return false
	}
	if wrong := strict.EchoJSON(strict.Answer{ID: id, Sent: body, Body: answer}); wrong != nil || resp.StatusCode != http.StatusOK {
		t.count(func(t *tally) {
			t.wrong = append(t.wrong, fmt.Sprintf("h2 %s: status %d, %v", id, resp.StatusCode, wrong))
		})
		return false
	}
	t.timed(time.Since(begun))
	return true
}

// unprocessed says whether the server has declared that it did not and will not
// touch the request. A stream that GOAWAY admitted and that was then cut has
// another error. (Those of net/http have no type.)
func unprocessed(err error) bool {
	return strings.Contains(err.Error(), "graceful shutdown GOAWAY") || strings.Contains(err.Error(), "REFUSED_STREAM")
}
