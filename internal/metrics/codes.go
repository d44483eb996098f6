package metrics

import (
	"cmp"
	"maps"
	"net/http"
	"slices"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

// Code is a method and the status code that its request ended with: 100 to 599,
// 0 for no answer at all, -1 for all that found no room.
type Code struct {
	Method string `json:"method"`
	Status int    `json:"status"`
}

// CodeTotal is how many requests ended with a Code.
type CodeTotal struct {
	Code
	N uint64 `json:"n"`
}

// rest stands for what is counted together.
const rest = "other"

var restCode = Code{rest, -1}

// maxExtras bounds the codes that are not registered and yet have a series of
// their own.
const maxExtras = 64

// codes counts requests by code. There is always room for the registered codes,
// some six hundred with their methods, so that nobody can crowd them out.
type codes struct {
	n      map[Code]uint64
	extras int // that are not registered
}

func newCodes() codes { return codes{n: map[Code]uint64{}} }

func restoreCodes(list []CodeTotal) codes {
	c := newCodes()
	for _, t := range list {
		if !c.room(t.Code) {
			t.Code = restCode
		}
		c.n[t.Code] = add(c.n[t.Code], t.N)
	}
	return c
}

func (c *codes) save() []CodeTotal {
	list := make([]CodeTotal, 0, len(c.n))
	for _, code := range slices.SortedFunc(maps.Keys(c.n), func(a, b Code) int {
		return cmp.Or(cmp.Compare(a.Method, b.Method), cmp.Compare(a.Status, b.Status))
	}) {
		list = append(list, CodeTotal{code, c.n[code]})
	}
	return list
}

// room says whether code is counted by itself, and takes the room for it.
func (c *codes) room(code Code) bool {
	if _, known := c.n[code]; known {
		return true
	}
	if !registered(code) && code != restCode {
		if c.extras >= maxExtras || !label(code.Method) || code.Status != 0 && (code.Status < 100 || code.Status > 599) {
			return false
		}
		c.extras++
	}
	c.n[code] = 0
	return true
}

func registered(c Code) bool {
	switch c.Method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", rest:
		return c.Status == 0 || http.StatusText(c.Status) != ""
	}
	return false
}

// grow adds to c what a worker has counted now beyond what was seen of it.
func (c *codes) grow(seen *codes, now []scoreboard.CodeCount, limit uint64) (sound bool) {
	sound = true
	var others uint64
	for _, n := range now {
		code := Code{n.Method, n.Code}
		if !seen.room(code) {
			others = add(others, n.N)
			continue
		}
		sound = c.advance(seen, code, n.N, limit) && sound
	}
	if others > 0 {
		seen.room(restCode)
		sound = c.advance(seen, restCode, others, limit) && sound
	}
	return sound
}

func (c *codes) advance(seen *codes, code Code, now, limit uint64) (sound bool) {
	was := seen.n[code]
	var more uint64
	sound = advance(&more, &was, now, limit)
	seen.n[code] = was
	if !c.room(code) {
		code = restCode
	}
	c.n[code] = add(c.n[code], more)
	return sound
}

// label says whether a name that a worker gave can be the value of a label.
func label(name string) bool {
	if name == "" || len(name) > 32 {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
