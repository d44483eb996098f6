package middleware

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var arrived = time.Date(2026, 11, 28, 20, 0, 0, 0, time.UTC)

// combined is what a reader of the combined format looks for.
var combined = regexp.MustCompile(`^(\S+) - (\S+) \[28/Nov/2026:20:00:00 \+0000\] "(\S+) (\S+) (\S+)" 200 17 "([^"]*)" "([^"]*)"$`)

// members are those of a line in JSON: a value that makes another one is a forgery.
var members = strings.Fields(`time msg client user method target protocol scheme host status bytes received duration_ms first_byte_ms queue_ms
	crossings queries queries_ms route colour request_id trace_id span_id referer user_agent worker`)

// namesOf reads the names in an object of values that are no objects, in order.
func namesOf(t *testing.T, object []byte) (names []string) {
	d := json.NewDecoder(bytes.NewReader(object))
	for i := 0; ; i++ {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatalf("%q: %v", object, err)
		}
		if name, ok := token.(string); ok && i%2 == 1 {
			names = append(names, name)
		}
	}
}

// unescaped undoes what the log does to a field.
func unescaped(t *testing.T, s string) string {
	if s == "-" {
		return ""
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if len(after) < 3 || after[0] != 'x' {
			t.Fatalf("%q is no escape", after)
		}
		c, err := strconv.ParseUint(after[1:3], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteByte(byte(c))
		s = after[3:]
	}
}

// Whatever a client or a user's name holds, a line is one line and gives the same
// fields when it is read.
func FuzzAccessLogLines(f *testing.F) {
	f.Add("192.0.2.1", "ada", "GET", "/a?b=c", "HTTP/1.1", "https://example.com/", "curl/8", "example.com", "GET /a", "abc")
	f.Add("", "", "", "", "", "", "", "", "", "")
	f.Add("-", "-", "-", "-", "-", "-", "-", "-", "-", "-")
	f.Add("a b", "x\n127.0.0.1 - root [", "G\"T", "/\\x22\r\n", "\x00", `" "`, "\x1b[31m\u2028\u0085é\xff", "a\",\"status\":\"200", "/{é...}", "\x7f")
	f.Add("\u009b31m", "a\u2028b", "\u202e", "/\ufeff", "\U000e0001", "\u200d", "\u0085{}", "\x80", "\ufffd", "\ud7ff\ue000")
	f.Fuzz(checkLine)
}

func TestAccessLogLinesOfLongFields(t *testing.T) {
	checkLine(t, "", strings.Repeat("u", maxField), "", strings.Repeat("é", maxField), "", strings.Repeat("\xff", maxField+1), strings.Repeat(`\"`, maxField),
		strings.Repeat("\n", maxField+1), "", strings.Repeat("\u2028", maxField))
}

func checkLine(t *testing.T, client, user, method, target, protocol, referer, agent, host, route, id string) {
	e := line{
		arrived: arrived, client: client, user: user, method: method, target: target, protocol: protocol,
		status: 200, bytes: 17, referer: referer, agent: agent, host: host, route: route, colour: "async", id: id, worker: 1,
	}
	fields := []string{client, user, method, target, protocol, referer, agent}

	text := string(e.append(nil, Combined))
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
		t.Fatalf("%q is not printable ASCII", text)
	}
	got := combined.FindStringSubmatch(text)
	if got == nil {
		t.Fatalf("%q is no line of the combined format", text)
	}
	for i, want := range fields { // the rest is in JSON alone
		if got := unescaped(t, got[i+1]); got != bounded(want) {
			t.Errorf("field %d is %q, want %q", i, got, bounded(want))
		}
	}
	if common := string(e.append(nil, Common)); !strings.HasPrefix(text, common+` "`) {
		t.Errorf("the common format is %q", common)
	}

	object := e.append(nil, JSON)
	if strings.ContainsFunc(string(object), func(c rune) bool { return !strconv.IsPrint(c) }) {
		t.Fatalf("%q has what moves a terminal's cursor, ends a line for some readers, or turns text round", object)
	}
	var read struct {
		Client, User, Method, Target, Protocol, Referer, Host, Route, Colour, Msg string
		Agent                                                                     string `json:"user_agent"`
		ID                                                                        string `json:"request_id"`
		Status, Bytes, Worker                                                     int
		Time                                                                      time.Time
	}
	if err := json.Unmarshal(object, &read); err != nil {
		t.Fatalf("%q: %v", object, err)
	}
	if names := namesOf(t, object); !slices.Equal(names, members) {
		t.Fatalf("%q has the members %q", object, names)
	}
	fields = append(fields, host, route, id)
	for i, got := range []string{read.Client, read.User, read.Method, read.Target, read.Protocol, read.Referer, read.Agent, read.Host, read.Route, read.ID} {
		want := bounded(fields[i])
		if !utf8.ValidString(want) {
			got = unescaped(t, got)
		}
		if got != want {
			t.Errorf("member %d is %q, want %q", i, got, want)
		}
	}
	if read.Colour != "async" || read.Msg != "request" || read.Status != 200 || read.Bytes != 17 || read.Worker != 1 || !read.Time.Equal(arrived) {
		t.Errorf("%+v", read)
	}
}

func TestALongFieldIsCutBetweenCharacters(t *testing.T) {
	for _, s := range []string{strings.Repeat("x", maxField), strings.Repeat("x", maxField+1), "x" + strings.Repeat("é", maxField), strings.Repeat("\x80", 2*maxField)} {
		got := bounded(s)
		if len(s) <= maxField {
			if got != s {
				t.Errorf("%d bytes became %d", len(s), len(got))
			}
			continue
		}
		if len(got) > maxField+3 || !strings.HasSuffix(got, "...") || utf8.ValidString(s) && !utf8.ValidString(got) || !strings.HasPrefix(s, got[:len(got)-3]) {
			t.Errorf("%d bytes became %d, ending in %q", len(s), len(got), got[len(got)-6:])
		}
	}
}
