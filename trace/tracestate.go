package trace

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The limits of a tracestate. The recommendation wants 512 bytes carried on; with
// more a client could make what we ask of others too large for them.
const (
	maxMembers  = 32
	maxKey      = 256 // bytes; of a value too
	maxState    = 512
	largeMember = 128
)

// ParseTracestate reads the values of all tracestate fields of a message, in their
// order, and returns them as one without what is optional: whitespace around
// members, empty members, and repetitions of a key, of which the first is the latest.
// More than 512 bytes are cut down as the recommendation says: members of more than
// 128 bytes go first, then the last ones. An error means that none of it may be used;
// it has nothing of the values in it.
func ParseTracestate(fields ...string) (string, error) {
	var (
		members []string
		seen    [maxMembers]string
		n       int
	)
	for _, field := range fields {
		for member := range strings.SplitSeq(field, ",") {
			member = strings.Trim(member, " \t")
			if member == "" {
				continue
			}
			key, value, found := strings.Cut(member, "=")
			switch {
			case !found || !isKey(key):
				return "", fmt.Errorf("tracestate: member %d has no key of 1 to %d of a-z, 0-9 and _-*/@, the first of them a letter or digit", n+1, maxKey)
			case !isValue(value):
				return "", fmt.Errorf("tracestate: the value of member %d is not 1 to %d printable ASCII characters without = and comma", n+1, maxKey)
			case n == maxMembers:
				return "", fmt.Errorf("tracestate: more than %d members", maxMembers)
			}
			if !slices.Contains(seen[:n], key) {
				members = append(members, member)
			}
			seen[n] = key
			n++
		}
	}
	return strings.Join(shortened(members), ","), nil
}

// shortened leaves out members until the rest is short enough.
func shortened(members []string) []string {
	total := len(members) - 1
	for _, m := range members {
		total += len(m)
	}
	drop := func(i int) {
		total -= len(members[i]) + 1
		members = slices.Delete(members, i, i+1)
	}
	for i := len(members) - 1; i >= 0 && total > maxState; i-- {
		if len(members[i]) > largeMember {
			drop(i)
		}
	}
	for total > maxState {
		drop(len(members) - 1)
	}
	return members
}

func isKey(s string) bool {
	if s == "" || len(s) > maxKey {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && strings.IndexByte("_-*/@", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// isValue is for a value with nothing but its own spaces before it and none behind.
func isValue(s string) bool {
	if s == "" || len(s) > maxKey {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return true
}

var errNone = errors.New("traceparent: there is none, or more than one")
