package static

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxRanges is how many ranges a request may ask for. Each is a part with a header of its
// own, for a few bytes of request; with more the whole file is the answer, as RFC 9110,
// 14.2 has it for whoever asks in bad faith.
const maxRanges = 16

// understood is r as http.ServeContent reads it right. That takes
//   - one line of a list for all of it (RFC 9110, 5.3),
//   - a Range of a HEAD request, and one of another unit, for one to answer with 206 and 416:
//     both are to be ignored (14.2),
//   - "-0" for a range that can be sent, and "+1" for a number (14.1.1),
//   - the date in If-Range for a strong validator, whenever the file has changed (13.1.5).
func (t *found) understood(r *http.Request) *http.Request {
	h := r.Header
	if len(h["Range"]) == 0 && len(h["If-Match"]) < 2 && len(h["If-None-Match"]) < 2 {
		return r
	}
	own := *r
	own.Header = h.Clone()
	for _, list := range []string{"If-Match", "If-None-Match"} {
		if lines := h[list]; len(lines) > 1 {
			own.Header[list] = []string{strings.Join(lines, ", ")}
		}
	}
	asked := own.Header["Range"]
	delete(own.Header, "Range")
	if len(asked) != 1 || r.Method != http.MethodGet || t.weak && h.Get("If-Range") != "" {
		return &own
	}
	if plain := plainRange(asked[0], t.size); plain != "" {
		own.Header["Range"] = []string{plain}
	}
	return &own
}

// span is a part of a file, both ends included.
type span struct{ first, last int64 }

// plainRange is a Range header as its plain meaning for a file of that size: ranges that
// are there, or one beyond its end if none is. "" is none at all.
func plainRange(s string, size int64) string {
	unit, list, ok := strings.Cut(s, "=")
	if !ok || !strings.EqualFold(strings.Trim(unit, " \t"), "bytes") {
		return ""
	}
	var spans []span
	asked := 0
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.Trim(one, " \t"); one == "" {
			continue
		}
		if asked++; asked > maxRanges {
			return ""
		}
		first, last, ok := rangeOf(one, size)
		if !ok {
			return ""
		}
		if first <= last {
			spans = append(spans, span{first, last})
		}
	}
	switch {
	case asked == 0:
		return ""
	case len(spans) == 0:
		return "bytes=" + strconv.FormatInt(size, 10) + "-"
	}
	plain := []byte("bytes=")
	for i, sp := range joined(spans) {
		if i > 0 {
			plain = append(plain, ',')
		}
		plain = append(strconv.AppendInt(plain, sp.first, 10), '-')
		plain = strconv.AppendInt(plain, sp.last, 10)
	}
	return string(plain)
}

// joined makes one of spans that have bytes in common, as a server may (15.3.7.2). They
// stay in the order in which they were asked for, but for those.
func joined(spans []span) []span {
	var all []span
	for _, sp := range spans {
		for {
			i := slices.IndexFunc(all, func(o span) bool { return sp.first <= o.last && o.first <= sp.last })
			if i < 0 {
				break
			}
			sp = span{min(sp.first, all[i].first), max(sp.last, all[i].last)}
			all = slices.Delete(all, i, i+1)
		}
		all = append(all, sp)
	}
	return all
}

// rangeOf reads one range: first-last, first- or -length. It is not ok where it is none;
// where last is before first it is one that is not there.
func rangeOf(s string, size int64) (first, last int64, ok bool) {
	from, to, ok := strings.Cut(s, "-")
	if !ok {
		return 0, 0, false
	}
	last = size - 1
	if from == "" { // the last so many bytes
		length, ok := number(to)
		return max(0, size-length), last, ok
	}
	if first, ok = number(from); !ok {
		return 0, 0, false
	}
	if to != "" {
		end, ok := number(to)
		if !ok || end < first {
			return 0, 0, false
		}
		last = min(last, end)
	}
	return first, last, true
}

// number reads digits. One that is too large for any file is as good as the largest.
func number(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = 1<<63 - 1
	}
	return n, true
}
