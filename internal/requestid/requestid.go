// Package requestid says which ids of requests are taken over from clients.
//
// Invariant: a sane id is safe in a log line, a header and a page, and bounded.
//
// Smallest use:
//
//	id := r.Header.Get(requestid.Header)
//	if !requestid.Sane(id) {
//		id = … // one of our own
//	}
package requestid

// Header is where clients and proxies put the id of a request.
const Header = "X-Request-Id"

// MaxLen is how long a sane id may be, in bytes.
const MaxLen = 128

// Sane accepts ids of 1 to [MaxLen] letters, digits and characters of "-_.:/+=@".
func Sane(id string) bool {
	if len(id) == 0 || len(id) > MaxLen {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=', c == '@':
		default:
			return false
		}
	}
	return true
}
