package strict_test

import (
	"testing"

	"github.com/tandem-go/tandem/internal/strict"
)

func TestLedgerSeesADouble(t *testing.T) {
	var l strict.Ledger
	l.Saw("a")
	l.Saw("b")
	l.Saw("a")
	if got := l.Twice(); len(got) != 1 || got[0] != "a" || l.Len() != 2 {
		t.Fatalf("got %v of %d", got, l.Len())
	}
}

func TestEchoJSON(t *testing.T) {
	a := strict.Answer{ID: "p-1z", Sent: "hi"}
	for body, good := range map[string]bool{
		`{"target":"/echo/?id=p-1z","body_b64":"aGk=","body_len":2,"worker":7}`:  true,
		`{"target":"/echo/?id=p-11z","body_b64":"aGk=","body_len":2,"worker":7}`: false,
		`{"target":"/echo/?id=p-1z","body_b64":"aGo=","body_len":2}`:             false,
		`{"target":"/echo/?id=p-1z","body_b64":"aGk=","body_len":3}`:             false,
		`{"target":"/echo/?id=p-1z"}`:                                            false,
		`<html>`:                                                                 false,
	} {
		a.Body = []byte(body)
		if err := strict.EchoJSON(a); (err == nil) != good {
			t.Errorf("%s: %v", body, err)
		}
	}
	a.Body = []byte(`{"worker":7}`)
	if got := strict.EchoWorker(a); got != "7" {
		t.Errorf("worker %q", got)
	}
}
