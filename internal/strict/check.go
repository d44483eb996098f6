package strict

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Contains accepts an answer whose body holds the id of its request.
func Contains(a Answer) error {
	if !strings.Contains(string(a.Body), a.ID) {
		return fmt.Errorf("the body does not name request %s: %.80q", a.ID, a.Body)
	}
	return nil
}

// echoed is the part of an /echo/ answer that proves whose answer it is.
type echoed struct {
	Method  string          `json:"method"`
	Target  string          `json:"target"`
	BodyB64 *string         `json:"body_b64"`
	BodyLen *int            `json:"body_len"`
	Worker  json.RawMessage `json:"worker"`
}

// EchoJSON accepts an answer of /echo/ that repeats this very request: the id
// in its target, and the body byte for byte.
func EchoJSON(a Answer) error {
	var e echoed
	if err := json.Unmarshal(a.Body, &e); err != nil {
		return fmt.Errorf("the echo is not JSON: %w: %.80q", err, a.Body)
	}
	if e.BodyB64 == nil || e.BodyLen == nil {
		return errors.New("the echo has no body_b64 or no body_len")
	}
	body, err := base64.StdEncoding.DecodeString(*e.BodyB64)
	switch {
	case err != nil:
		return fmt.Errorf("the echo's body_b64: %w", err)
	case !strings.HasSuffix(e.Target, "id="+a.ID):
		return fmt.Errorf("answer to %q, not to %s", e.Target, a.ID)
	case string(body) != a.Sent || *e.BodyLen != len(a.Sent):
		return fmt.Errorf("body of %d bytes came back as %d: %.40q", len(a.Sent), len(body), body)
	}
	return nil
}

// EchoWorker is a Tag: the worker that /echo/ names.
func EchoWorker(a Answer) string {
	var e echoed
	if json.Unmarshal(a.Body, &e) != nil {
		return ""
	}
	return strings.Trim(string(e.Worker), `"`)
}
