package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
)

const (
	messagesEach = 20
	messageEvery = 40 * time.Millisecond
)

// talkWebSocket opens one connection after the other and sends some messages on
// each. A server that says that it goes (1001, 1012) is left; what it had not
// answered by then was told, not lost.
func talkWebSocket(ctx, sending context.Context, addr, name string, t *tally) {
	for n := 0; sending.Err() == nil; n++ {
		talkOnce(ctx, sending, addr, fmt.Sprintf("%s-%d", name, n), t)
	}
}

func talkOnce(ctx, sending context.Context, addr, name string, t *tally) {
	var local string
	dialer := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				local = c.LocalAddr().String()
			}
			return c, err
		},
	}}
	bounded, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	failed := func(doing string, err error) {
		if ctx.Err() == nil {
			t.count(func(t *tally) { t.sent++ })
			t.lose(local, fmt.Sprintf("websocket %s, %s: %v", name, doing, err))
		}
	}
	conn, _, err := websocket.Dial(bounded, "ws://"+addr+"/ws/?id="+name, &websocket.DialOptions{HTTPClient: dialer})
	if err != nil {
		if local == "" {
			t.refuse()
			pause(sending, messageEvery)
			return
		}
		failed("handshake", err)
		return
	}
	defer conn.CloseNow()
	for i := range messagesEach {
		message, begun := fmt.Sprintf("%s-%d", name, i), time.Now()
		werr := conn.Write(bounded, websocket.MessageText, []byte(message))
		_, echo, err := conn.Read(bounded)
		switch code := websocket.CloseStatus(err); {
		case code == websocket.StatusServiceRestart, code == websocket.StatusGoingAway:
			t.count(func(t *tally) { t.sent++; t.told++ })
			return
		case err != nil || werr != nil:
			failed("message "+message, fmt.Errorf("write: %v, read: %v", werr, err))
			return
		case string(echo) != message:
			t.count(func(t *tally) { t.wrong = append(t.wrong, fmt.Sprintf("sent %q, got %q", message, echo)) })
			return
		}
		t.timed(time.Since(begun))
		pause(sending, messageEvery)
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
}

// pause waits for d, or until ctx has ended.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
