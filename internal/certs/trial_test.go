package certs

import (
	"errors"
	"testing"
	"time"
)

// What is bad is tried again without a word until it has lasted, said once, and
// then tried once a minute, or when the files change.
func TestABadFileIsSaidOnceItHasLasted(t *testing.T) {
	bad := errors.New("bad")
	type look struct {
		after time.Duration // since the look before
		print string
		err   error
		due   bool
		say   bool
	}
	for name, looks := range map[string][]look{
		"the same file is not tried twice": {{0, "a", nil, true, false}, {time.Hour, "a", nil, false, false}},
		"a new one is":                     {{0, "a", nil, true, false}, {time.Second, "b", nil, true, false}},
		"half-written for a moment": {
			{0, "a", nil, true, false},
			{time.Second, "b", bad, true, false},
			{time.Second, "c", bad, true, false},
			{time.Second, "d", nil, true, false},
			{time.Hour, "d", nil, false, false},
		},
		"bad for long": {
			{0, "a", nil, true, false},
			{time.Second, "b", bad, true, false},
			{settle - 1, "b", bad, true, false},
			{1, "b", bad, true, true},
			{time.Second, "b", bad, false, false},
			{time.Hour, "c", bad, true, false}, // another change, with a time of its own
			{settle, "c", bad, true, true},
			{time.Second, "d", nil, true, true},
			{time.Second, "d", nil, false, false},
		},
		"good by the passing of time": {
			{0, "a", bad, true, false},
			{settle, "a", bad, true, true},
			{retry - 1, "a", bad, false, false},
			{1, "a", bad, true, false},
			{retry, "a", nil, true, true},
			{retry, "a", nil, false, false},
		},
		"always another bad one": {
			{0, "a", bad, true, false},
			{settle / 2, "b", bad, true, false},
			{settle / 2, "c", bad, true, true},
		},
		"good without a change that shows": {
			{0, "a", bad, true, false},
			{time.Second, "a", nil, true, false},
			{time.Second, "a", nil, false, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var tr trial
			now := time.Unix(1_000_000, 0)
			for i, l := range looks {
				now = now.Add(l.after)
				due := tr.due(l.print, now)
				if due != l.due {
					t.Fatalf("look %d: due is %v", i, due)
				}
				if due && tr.tried(l.print, now, l.err) != l.say {
					t.Fatalf("look %d: to be said is %v", i, !l.say)
				}
			}
		})
	}
}
