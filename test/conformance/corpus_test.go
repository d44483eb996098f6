package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// octets is a string of them in a corpus: see testdata/README.md.
type octets []byte

var repeated = regexp.MustCompile(`\{(\d+)\*([^}]*)\}`)

func (o *octets) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	s = repeated.ReplaceAllStringFunc(s, func(short string) string {
		parts := repeated.FindStringSubmatch(short)
		times, _ := strconv.Atoi(parts[1]) // digits
		var long strings.Builder
		for turn := range times {
			long.WriteString(strings.ReplaceAll(parts[2], "#", strconv.Itoa(turn)))
		}
		return long.String()
	})
	*o = (*o)[:0]
	for _, r := range s {
		if r > 0xff {
			return fmt.Errorf("%q is no octet", r)
		}
		*o = append(*o, byte(r))
	}
	return nil
}

// load reads a suite's cases, and what is judged of them by their ids.
func load[C, J any](suite string) (cases []C, judged map[string]J, err error) {
	for file, v := range map[string]any{"corpus.json": &cases, "judged.json": &judged} {
		b, err := os.ReadFile(filepath.Join("testdata", suite, file))
		if err != nil {
			return nil, nil, err
		}
		if err := json.Unmarshal(b, v); err != nil {
			return nil, nil, fmt.Errorf("%s of %s: %w", file, suite, err)
		}
	}
	return cases, judged, nil
}

// echoed is what the application says of a request: see its package.
type echoed struct {
	Method  string              `json:"method"`
	Target  string              `json:"target"`
	Headers map[string][]string `json:"headers"`
	Body    []byte              `json:"body_b64"`
}

// header is the values of a header field, whatever the case of its name.
func (e *echoed) header(name string) (values []string) {
	for key, some := range e.Headers {
		if strings.EqualFold(key, name) {
			values = append(values, some...)
		}
	}
	return values
}

// unecho reads an answer of the application.
func unecho(body []byte) (*echoed, error) {
	var e echoed
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, fmt.Errorf("the echo cannot be read: %w", err)
	}
	return &e, nil
}

func TestACorpusWritesOctetsAsCharactersAndRepetitionShort(t *testing.T) {
	var o octets
	if err := json.Unmarshal([]byte(`"GET /{3*ab}\u00e9\u0000{2*k#=#;} {HOST}"`), &o); err != nil {
		t.Fatal(err)
	}
	if want := "GET /ababab\xe9\x00k0=0;k1=1; {HOST}"; string(o) != want {
		t.Errorf("%q, want %q", o, want)
	}
	if err := json.Unmarshal([]byte(`"\u0100"`), &o); err == nil {
		t.Error("a character that is no octet is taken")
	}
}
