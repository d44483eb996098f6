package channel

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func someKeys(n int) TicketKeys {
	keys := make(TicketKeys, n)
	for i := range keys {
		keys[i] = bytes.Repeat([]byte{byte(i + 1)}, ticketKeySize)
	}
	return keys
}

func TestKeysOfTicketsInAHelloAndLater(t *testing.T) {
	supervisor, worker := pair(t)
	hello := Greeting()
	hello.TicketKeys = someKeys(1)
	for _, sent := range []Message{hello, {Type: Tickets, TicketKeys: someKeys(maxTicketKeys)}} {
		if err := supervisor.Send(sent); err != nil {
			t.Fatal(err)
		}
		if m, _, err := worker.Receive(); err != nil || !reflect.DeepEqual(m, sent) {
			t.Errorf("received %+v, %v", m, err)
		}
	}
}

func TestKeysOfTicketsThatAreNone(t *testing.T) {
	supervisor, worker := pair(t)
	key := base64.StdEncoding.EncodeToString(someKeys(1)[0])
	for _, body := range []string{
		`{"type":"tickets"}`,
		`{"type":"tickets","ticket_keys":[]}`,
		`{"type":"tickets","ticket_keys":[""]}`,
		`{"type":"tickets","ticket_keys":["` + key + `","c2hvcnQ="]}`,
		`{"type":"tickets","ticket_keys":["` + key[1:] + `"]}`,
		`{"type":"tickets","ticket_keys":"` + key + `"}`,
		`{"type":"tickets","ticket_keys":["` + strings.Repeat(key+`","`, maxTicketKeys) + key + `"]}`,
		`{"type":"hello","version":1,"ticket_keys":["c2hvcnQ="]}`,
	} {
		raw(t, supervisor, body)
		m, _, err := worker.Receive()
		if !errors.Is(err, ErrMessage) || m.Type != "" {
			t.Errorf("%s received as %+v, %v", body, m, err)
		}
		if err != nil && strings.Contains(err.Error(), key[1:9]) {
			t.Errorf("the error has a key in it: %v", err)
		}
	}
}

// Neither a message that is printed nor the buffers that it went through have its keys.
func TestKeysOfTicketsStayNowhere(t *testing.T) {
	supervisor, worker := pair(t)
	sent := Message{Type: Tickets, TicketKeys: someKeys(2)}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, sent); !strings.Contains(text, "[2 keys]") || strings.Contains(text, "1 1") || strings.Contains(text, "0x1, 0x1") {
			t.Errorf("%s prints %s", format, text)
		}
	}
	if err := supervisor.Send(sent); err != nil {
		t.Fatal(err)
	}
	m, _, err := worker.Receive()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(worker.buf, []byte("AQEB")) {
		t.Error("the key is left in the buffer")
	}
	m.TicketKeys.Wipe()
	if !bytes.Equal(m.TicketKeys[1], make([]byte, ticketKeySize)) {
		t.Error("a key is left after it was wiped")
	}
}
