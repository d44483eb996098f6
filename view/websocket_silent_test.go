package view_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/tandem-go/tandem/view"
)

// Without an option, too, a client that is gone without a word is found out, and one that
// is only silent hears something before a proxy between loses its patience.
func TestASilentClientIsPingedByDefault(t *testing.T) {
	for name, test := range map[string]struct {
		opts []view.WebSocketOption
		ping time.Duration // 0: none
	}{
		"by default": {nil, 30 * time.Second},
		"when asked": {[]view.WebSocketOption{view.KeepAlive(time.Second)}, time.Second},
		"never":      {[]view.WebSocketOption{view.KeepAlive(0)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				app := view.New()
				app.Routes(view.Path("GET /ws", view.WebSocket(echo, test.opts...)))
				begun := time.Now()
				client := pipe(t, app)
				defer client.Close()
				_ = client.SetReadDeadline(begun.Add(time.Hour))
				h, err := ws.ReadHeader(client)
				switch {
				case test.ping == 0:
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("after %v: %+v, %v", time.Since(begun), h, err)
					}
				case err != nil || h.OpCode != ws.OpPing || time.Since(begun) != test.ping:
					t.Errorf("after %v: %+v, %v", time.Since(begun), h, err)
				default:
					if _, err := client.Read(make([]byte, 1)); err != io.EOF || time.Since(begun) != 2*test.ping {
						t.Errorf("after %v: %v", time.Since(begun), err)
					}
				}
			})
		})
	}
}

// Trailers and two directions at once need a server; where there is none they are left out.
func TestARecorderHasNoTwoDirections(t *testing.T) {
	w := httptest.NewRecorder()
	if err := view.FullDuplex(view.Text("whole")).Respond(w, httptest.NewRequest("POST", "/", nil)); err != nil || w.Body.String() != "whole" {
		t.Errorf("%q, %v", w.Body, err)
	}
	if view.FullDuplex(nil) != nil || view.WithTrailer(nil, nil) != nil {
		t.Error("nil did not stay nil")
	}
}
