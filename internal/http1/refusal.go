package http1

import "strconv"

// Refusal says why octets did not pass. It is an error.
type Refusal struct {
	// Status is the one to answer with: 400, 413, 414, 417, 431, 501 or 505.
	Status int
	// Reason is one short line for the client and the log. It has nothing of what
	// the client sent in it.
	Reason string
	// Clause is where that is laid down, such as "RFC 9112 6.1"; "" for a limit.
	Clause string
	// InBody: the head of the request has passed, so it is its handler that learns of
	// it, when it reads the body.
	InBody bool
	// Limit is the limit on the body that was crossed, in octets; 0 if it was none.
	Limit int64
}

// Error is the reason with its status.
func (r *Refusal) Error() string {
	return "http: request refused (" + strconv.Itoa(r.Status) + "): " + r.Reason
}

// HTTPStatus is the status: a handler that returns the error of reading the body
// answers with it.
func (r *Refusal) HTTPStatus() int { return r.Status }

func bad(reason, clause string) *Refusal {
	return &Refusal{Status: 400, Reason: reason, Clause: clause}
}

func over(status int, reason string) *Refusal { return &Refusal{Status: status, Reason: reason} }

// What is refused. Scan gives out copies.
var (
	isTLS         = bad("a TLS handshake on a port that does not speak TLS", "RFC 9112 3")
	bareCR        = bad("a CR without LF", "RFC 9112 2.2")
	bareLF        = bad("a line that ends in LF without CR", "RFC 9112 2.2")
	tooManyBlanks = bad("too many empty lines before a request", "RFC 9112 2.2")
	badPreface    = bad("a broken HTTP/2 preface", "RFC 9113 3.4")
	heldTooMuch   = bad("too much sent before the upgrade was answered", "RFC 9110 7.8")

	badRequestLine = bad("malformed request line", "RFC 9112 3")
	badMethod      = bad("malformed method", "RFC 9110 9.1")
	badVersion     = bad("malformed HTTP version", "RFC 9112 2.3")
	otherVersion   = &Refusal{Status: 505, Reason: "only HTTP/1.0 and HTTP/1.1 are spoken here", Clause: "RFC 9110 15.6.6"}
	badOctet       = bad("an octet in the request target that must be percent-encoded", "RFC 3986 2")
	fragment       = bad("a fragment in the request target", "RFC 9112 3.2")
	badPercent     = bad("a malformed percent-encoding in the path", "RFC 3986 2.1")
	badAsterisk    = bad("the target * is for OPTIONS alone", "RFC 9112 3.2.4")
	badScheme      = bad("a request target that is no path and no http or https URI", "RFC 9112 3.2.2")
	badAuthority   = bad("malformed authority in the request target", "RFC 9110 4.2")
	badConnect     = bad("the target of CONNECT must be host and port", "RFC 9112 3.2.3")

	folded      = bad("a folded field line, or a blank before a field name", "RFC 9112 5.2")
	noColon     = bad("a field line without a colon", "RFC 9112 5")
	blankColon  = bad("a blank before the colon of a field line", "RFC 9112 5.1")
	badName     = bad("malformed field name", "RFC 9110 5.1")
	badValue    = bad("a control character in a field value", "RFC 9110 5.5")
	noHost      = bad("no Host", "RFC 9112 3.2")
	severalHost = bad("more than one Host", "RFC 9112 3.2")
	emptyHost   = bad("empty Host", "RFC 9110 4.2.1")
	badHost     = bad("malformed Host", "RFC 9112 3.2")

	badLength     = bad("malformed Content-Length", "RFC 9112 6.3")
	severalLength = bad("more than one Content-Length", "RFC 9112 6.3")
	bothFramings  = bad("Content-Length with Transfer-Encoding", "RFC 9112 6.1")
	oldChunked    = bad("Transfer-Encoding in HTTP/1.0", "RFC 9112 6.1")
	badCoding     = bad("Transfer-Encoding must be chunked, once", "RFC 9112 6.3")
	otherCoding   = &Refusal{Status: 501, Reason: "a transfer coding other than chunked", Clause: "RFC 9112 6.1"}
	badExpect     = &Refusal{Status: 417, Reason: "an expectation other than 100-continue", Clause: "RFC 9110 10.1.1"}

	// Of HTTP/2 alone.
	badPath     = bad("a :path that does not begin with a slash", "RFC 9113 8.3.1")
	otherHost   = bad("a Host that differs from :authority", "RFC 9113 8.3.1")
	wrongLength = bad("a Content-Length that is not that of the body", "RFC 9113 8.1.1")

	badChunkSize = bad("malformed chunk size", "RFC 9112 7.1")
	hugeChunk    = bad("a chunk size that is too large", "RFC 9112 7.1")
	badExtension = bad("malformed chunk extension", "RFC 9112 7.1.1")
	noChunkEnd   = bad("a chunk without CRLF after its data", "RFC 9112 7.1")
	badTrailer   = bad("a field that must not be in a trailer", "RFC 9110 6.5.1")

	longRequestLine = over(414, "the request line is too long")
	longHeaderLine  = over(431, "a header line is too long")
	longHeader      = over(431, "the header is too long")
	manyHeaders     = over(431, "the header has too many lines")
	longTrailerLine = over(431, "a trailer line is too long")
	longTrailer     = over(431, "the trailer is too long")
	manyTrailers    = over(431, "the trailer has too many lines")
	longChunkLine   = over(400, "the line before a chunk is too long")
	longExtensions  = over(400, "the chunk extensions are too long")
	largeBody       = over(413, "the body is too large")
)
