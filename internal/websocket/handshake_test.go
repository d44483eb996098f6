package websocket_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/websocket"
)

// handshake is one that is right, less the lines that begin with one of those of
// but, and with those.
func handshake(t *testing.T, but ...string) *http.Request {
	t.Helper()
	lines := []string{
		"GET /ws HTTP/1.1", "Host: here.test", "Connection: keep-alive, Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
	for _, b := range but {
		name, value, _ := strings.Cut(b, ":")
		if strings.Contains(name, "HTTP/") {
			lines[0] = b
			continue
		}
		kept := lines[:0]
		for _, l := range lines {
			if had, _, _ := strings.Cut(l, ":"); had != name {
				kept = append(kept, l)
			}
		}
		if lines = kept; value != "" {
			for v := range strings.SplitSeq(value, "|") {
				lines = append(lines, name+":"+v)
			}
		}
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Join(lines, "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatalf("%q: %v", lines, err)
	}
	return r
}

func TestHandshakesThatAreNoneAreRefused(t *testing.T) {
	const (
		missing = "this is a WebSocket: Connection: Upgrade and Upgrade: websocket are missing"
		version = "the version of WebSocket must be 13"
		key     = "Sec-WebSocket-Key must be 16 bytes in base64"
		foreign = "pages of this Origin may not open the WebSocket"
		untold  = "the Origin of this handshake is none that can be told"
	)
	upgrade := map[string]string{"Upgrade": "websocket", "Connection": "Upgrade"}
	tests := []struct {
		but     []string
		status  int
		message string
		header  map[string]string
	}{
		{[]string{"POST /ws HTTP/1.1"}, 405, "a WebSocket handshake is a GET request", map[string]string{"Allow": "GET"}},
		{[]string{"HEAD /ws HTTP/1.1"}, 405, "a WebSocket handshake is a GET request", map[string]string{"Allow": "GET"}},
		{[]string{"GET /ws HTTP/1.0"}, 426, "a WebSocket handshake needs HTTP/1.1", upgrade},
		{[]string{"Connection:"}, 426, missing, upgrade},
		{[]string{"Connection: keep-alive"}, 426, missing, upgrade},
		{[]string{"Connection: upgraded"}, 426, missing, upgrade},
		{[]string{"Upgrade:"}, 426, missing, upgrade},
		{[]string{"Upgrade: h2c"}, 426, missing, upgrade},
		{[]string{"Sec-WebSocket-Version:"}, 426, version, map[string]string{"Sec-WebSocket-Version": "13", "Upgrade": "websocket"}},
		{[]string{"Sec-WebSocket-Version: 8"}, 426, version, map[string]string{"Sec-WebSocket-Version": "13"}},
		{[]string{"Sec-WebSocket-Version: 13, 8"}, 426, version, map[string]string{"Sec-WebSocket-Version": "13"}},
		{[]string{"Sec-WebSocket-Version: 13| 13"}, 426, version, map[string]string{"Sec-WebSocket-Version": "13"}},
		{[]string{"Sec-WebSocket-Key:"}, 400, "there must be one Sec-WebSocket-Key, there are 0", nil},
		{[]string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==| dGhlIHNhbXBsZSBub25jZQ=="}, 400, "there must be one Sec-WebSocket-Key, there are 2", nil},
		{[]string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"}, 400, key, nil},
		{[]string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="}, 400, key, nil}, // bits behind the end
		{[]string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"}, 400, key, nil},     // 15 bytes
		{[]string{"Sec-WebSocket-Key: ~"}, 400, key, nil},
		{[]string{"Host: "}, 400, "there must be a Host", nil},
		{[]string{"Content-Length: 5"}, 400, "a WebSocket handshake has no body", nil},
		{[]string{"Transfer-Encoding: chunked"}, 400, "a WebSocket handshake has no body", nil},
		{[]string{"Sec-WebSocket-Protocol: chat, chat"}, 400, "Sec-WebSocket-Protocol is malformed", nil},
		{[]string{"Sec-WebSocket-Protocol: (chat"}, 400, "Sec-WebSocket-Protocol is malformed", nil},
		{[]string{"Sec-WebSocket-Extensions: permessage-deflate; =1"}, 400, "Sec-WebSocket-Extensions is malformed", nil},
		{[]string{"Origin: https://elsewhere.test"}, 403, foreign, nil},
		{[]string{"Origin: https://here.test.elsewhere.test"}, 403, foreign, nil},
		{[]string{"Origin: https://here.test:8443"}, 403, foreign, nil},
		{[]string{"Origin: null"}, 403, untold, nil},
		{[]string{"Origin: here.test"}, 403, untold, nil},
		{[]string{"Origin: https://elsewhere.test@here.test"}, 403, untold, nil},
		{[]string{"Origin: https://here.test/elsewhere"}, 403, untold, nil},
		{[]string{"Origin: https://here.test| https://elsewhere.test"}, 403, untold, nil},
	}
	for _, test := range tests {
		_, refusal := websocket.Check(handshake(t, test.but...), websocket.Options{Compress: true})
		if refusal == nil {
			t.Errorf("%q: agreed to", test.but)
			continue
		}
		if refusal.Status != test.status || refusal.Error() != test.message {
			t.Errorf("%q: %d %q, want %d %q", test.but, refusal.Status, refusal.Message, test.status, test.message)
		}
		for key, want := range test.header {
			if got := refusal.Header[http.CanonicalHeaderKey(key)]; len(got) != 1 || got[0] != want {
				t.Errorf("%q: %s is %q, want %q", test.but, key, got, want)
			}
		}
	}
	h2 := handshake(t)
	h2.Proto, h2.ProtoMajor, h2.ProtoMinor = "HTTP/2.0", 2, 0
	if _, refusal := websocket.Check(h2, websocket.Options{}); refusal == nil || refusal.Status != 400 || refusal.Header != nil {
		t.Errorf("over HTTP/2: %+v", refusal)
	}
}

func TestHandshakesAreAgreedTo(t *testing.T) {
	options := websocket.Options{
		Subprotocols: []string{"chat.v2", "chat"}, Compress: true,
		Origins: []string{"https://friend.test", "anyscheme.test", "http://friend.test:8080"},
	}
	const takeover = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	tests := []struct {
		but        []string
		protocol   string
		extensions string
	}{
		{but: nil},
		{but: []string{"Connection: UPGRADE", "Upgrade: WebSocket"}},
		{but: []string{"Upgrade: h2c| websocket"}},
		{but: []string{"Host: here.test:443", "Origin: https://here.test"}},
		{but: []string{"Host: HERE.test", "Origin: http://here.test:80"}},
		{but: []string{"Origin: https://friend.test"}},
		{but: []string{"Origin: https://friend.test:443"}},
		{but: []string{"Origin: http://friend.test:8080"}},
		{but: []string{"Origin: http://anyscheme.test"}},
		{but: []string{"Sec-WebSocket-Protocol: chat"}, protocol: "chat"},
		{but: []string{"Sec-WebSocket-Protocol: chat, soap| chat.v2"}, protocol: "chat.v2"},
		{but: []string{"Sec-WebSocket-Protocol: soap, CHAT"}},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate"}, extensions: takeover},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"}, extensions: takeover},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9; client_no_context_takeover"}, extensions: takeover},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9"}, extensions: takeover + "; server_max_window_bits=9"},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=10"}, extensions: takeover + "; server_max_window_bits=10"},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16"}},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits"}},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9; server_max_window_bits=9"}},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover=1"}},
		{but: []string{"Sec-WebSocket-Extensions: permessage-deflate; mode=9"}},
		{but: []string{"Sec-WebSocket-Extensions: x-webkit-deflate-frame| permessage-deflate"}, extensions: takeover},
	}
	for _, test := range tests {
		agreed, refusal := websocket.Check(handshake(t, test.but...), options)
		if refusal != nil {
			t.Errorf("%q: refused: %d %s", test.but, refusal.Status, refusal.Message)
			continue
		}
		h := agreed.Header
		if h.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" || h.Get("Upgrade") != "websocket" || h.Get("Connection") != "Upgrade" {
			t.Errorf("%q: %v", test.but, h)
		}
		if agreed.Subprotocol != test.protocol || h.Get("Sec-WebSocket-Protocol") != test.protocol {
			t.Errorf("%q: subprotocol %q, %v", test.but, agreed.Subprotocol, h)
		}
		if h.Get("Sec-WebSocket-Extensions") != test.extensions || (agreed.Deflate != nil) != (test.extensions != "") {
			t.Errorf("%q: extensions %q, want %q", test.but, h.Get("Sec-WebSocket-Extensions"), test.extensions)
		}
	}
	if _, refusal := websocket.Check(handshake(t, "Origin: null"), websocket.Options{AnyOrigin: true}); refusal != nil {
		t.Errorf("AnyOrigin: %+v", refusal)
	}
}
