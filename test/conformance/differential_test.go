package conformance

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/conformance/raw"
)

var (
	exchanges = flag.Int("exchanges", defaultExchanges, "how many connections the differential test makes")
	seed      = flag.Uint64("seed", 1, "of the first of them; each has the next one")
)

const defaultExchanges = 5000

// TestEveryDifferenceFromNetHTTPIsOnTheList sends the same to a worker and to
// net/http with the same handler, and compares all that comes back: answers, what
// the handler saw, and whether the connection went on.
func TestEveryDifferenceFromNetHTTPIsOnTheList(t *testing.T) {
	t.Parallel()
	ours, theirs := raw.Target{Addr: start(t).Addr}, raw.Target{Addr: start(t, "-plain").Addr}
	seeds := make([]uint64, *exchanges)
	for i := range seeds {
		seeds[i] = *seed + uint64(i)
	}
	hits, kept := make([]string, len(seeds)), make([]bool, len(seeds))
	verdicts := each(seeds, func(seed uint64) verdict {
		s := newGenerator(seed).connection()
		v := verdict{id: fmt.Sprintf("seed %d", seed)}
		a, err := converse(ours, s)
		b, err2 := converse(theirs, s)
		if err := errors.Join(err, err2); err != nil {
			v.line = err.Error()
			return v
		}
		hits[seed-seeds[0]], err = explain(append(s.wire(), last...), a, b)
		kept[seed-seeds[0]] = b.kept
		v.good = err == nil
		if err != nil {
			v.line = fmt.Sprintf("%v\nsent in %d pieces: %s\nworker:   %v\nnet/http: %v", err, len(s), brief(s.wire()), a, b)
		}
		return v
	})
	judge(t, verdicts, nil)
	count := map[string]int{}
	for _, reason := range hits {
		count[reason]++
	}
	for _, d := range differences {
		if t.Logf("%5d %s", count[d.reason], d.reason); count[d.reason] == 0 && *exchanges >= defaultExchanges {
			t.Errorf("nothing of what was sent makes the difference %q: take it from the list, or have it sent", d.reason)
		}
	}
	// A generator that makes only good or only bad ones would compare nothing.
	if n := len(slices.DeleteFunc(kept, func(k bool) bool { return !k })); n < *exchanges/4 || n > *exchanges*3/4 {
		t.Errorf("net/http went on after %d of %d connections", n, *exchanges)
	}
	isInDocs(t, "differences", differencesTable())
}

// outcome is what a server made of a connection.
type outcome struct {
	answers []*raw.Response
	kept    bool // it answered what came last, a plain request
}

func (o outcome) String() string {
	var b strings.Builder
	for _, a := range o.answers {
		fmt.Fprintf(&b, "[%d %s] ", a.Status, brief(a.Body))
	}
	fmt.Fprintf(&b, "kept %v", o.kept)
	return b.String()
}

// brief is what to show of octets.
func brief(b []byte) string {
	const most = 24 // of the same behind each other
	var short []byte
	for i, c := range b {
		if i < most || !bytes.Equal(b[i-most:i], bytes.Repeat([]byte{c}, most)) {
			short = append(short, c)
		}
	}
	return fmt.Sprintf("%.1200q", short)
}

// last follows all that a client sends: that it is answered shows that the
// connection goes on, without waiting for what does not happen.
const last = "GET /last HTTP/1.1\r\nHost: example.com\r\n\r\n"

var answeredLast = []byte(`"target":"/last"`)

const (
	// quiet is how long nothing comes before the client ends what it sends: the server
	// waits for more of a request then.
	quiet = 300 * time.Millisecond
	// converseBound is on a whole conversation.
	converseBound = 30 * time.Second
)

// converse sends the pieces, and reads until the server ends the connection.
func converse(at raw.Target, s sent) (outcome, error) {
	conn, err := at.Dial()
	if err != nil {
		return outcome{}, err
	}
	defer conn.Close()
	written := make(chan struct{})
	go func() {
		defer close(written)
		for _, piece := range append(slices.Clone(s), []byte(last)) {
			if _, err := conn.Write(piece); err != nil {
				return // it has refused what came before
			}
		}
	}()
	all, err := listen(conn)
	_ = conn.Close()
	<-written
	o := outcome{answers: raw.All(all)}
	if n := len(o.answers); n > 0 && o.answers[n-1].Status == 200 && bytes.Contains(o.answers[n-1].Body, answeredLast) {
		o.answers, o.kept = o.answers[:n-1], true
	}
	return o, err
}

// listen reads to the end. It ends what is sent when the last request was answered
// or nothing comes any more.
func listen(conn net.Conn) (all []byte, err error) {
	var piece [16 << 10]byte
	over := time.Now().Add(converseBound)
	for ended := false; ; {
		until := over
		if !ended {
			until = time.Now().Add(quiet)
		}
		_ = conn.SetReadDeadline(until)
		n, err := conn.Read(piece[:])
		all = append(all, piece[:n]...)
		late, isTimeout := errors.AsType[net.Error](err)
		switch {
		case err != nil && !(isTimeout && late.Timeout()):
			return all, nil // closed or reset
		case time.Now().After(over):
			return all, fmt.Errorf("the connection did not end within %v after the client's end", converseBound)
		case !ended && (err != nil || bytes.Contains(all, answeredLast)):
			ended = true
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}
}
