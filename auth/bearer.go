package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/tandem-go/tandem/view"
)

// TokenHash is the SHA-256 of a token: what an application keeps of it, and looks
// it up by. Whoever reads it gains nothing, and no comparison of tokens tells by
// its time how much of a guess was right.
type TokenHash [sha256.Size]byte

// String gives the hash in hex.
func (h TokenHash) String() string { return hex.EncodeToString(h[:]) }

// HashToken makes the hash of a token. That suffices for tokens of [NewToken],
// which cannot be guessed; passwords want [Passwords].
func HashToken(token string) TokenHash { return sha256.Sum256([]byte(token)) }

// NewToken makes a token of 256 random bits, for its user's eyes, once, and its
// hash to keep.
func NewToken() (string, TokenHash) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token := base64.RawURLEncoding.EncodeToString(b[:])
	return token, HashToken(token)
}

// ByToken looks up the user of a token by its hash; [ErrUnknown] if there is none,
// or the token has expired. The type is the colour.
type ByToken interface {
	func(ctx context.Context, token TokenHash) (view.User, error) | func(token TokenHash) (view.User, error)
}

// Bearer makes middleware for bearer tokens (RFC 6750) in the Authorization
// header; in a form or a query, where logs keep them, they are not looked for. It
// is async or sync as the lookup is. It panics if the realm is not of printable
// ASCII.
func Bearer[L ByToken](realm string, byToken L) view.Middleware {
	s := &scheme[TokenHash]{name: "auth.Bearer", challenge: "Bearer realm=" + quoted(realm), claim: readBearer, token: true}
	s.refusal = s.challenge + `, error="invalid_token"`
	l := lookupOf[TokenHash, view.User](byToken)
	if l.async != nil {
		s.async = func(ctx context.Context, _ *view.Request, t TokenHash) (view.User, error) {
			return somebody(l.async(ctx, t))
		}
	} else {
		s.sync = func(_ *view.Request, t TokenHash) (view.User, error) { return somebody(l.sync(t)) }
	}
	return s.middleware()
}

// somebody makes the token of nobody one that is unknown.
func somebody(u view.User, err error) (view.User, error) {
	if err == nil && u.Anonymous() {
		err = ErrUnknown
	}
	return u, err
}

func readBearer(r *view.Request) (TokenHash, bool, error) {
	token, ok, err := authorization(r, "Bearer")
	if err != nil || !ok {
		return TokenHash{}, false, err
	}
	if !isToken(token) {
		return TokenHash{}, false, errMalformed
	}
	return HashToken(token), true, nil
}

// isToken says whether s is a b64token.
func isToken(s string) bool {
	body := strings.TrimRight(s, "=")
	if body == "" || len(s) > maxCredentials {
		return false
	}
	for i := range len(body) {
		c := body[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~+/", rune(c)) {
			return false
		}
	}
	return true
}
