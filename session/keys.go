package session

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// MinSecret is the least length of a secret, in bytes.
const MinSecret = 32

// maxKeys bounds what a cookie that nobody can open costs.
const maxKeys = 16

// Keys seal and open cookies. They show nothing of themselves when printed. They
// are safe for concurrent use.
type Keys struct{ ring *[]key } // behind a pointer, which is all that fmt prints of it

// key is what HKDF extracted from one secret.
type key []byte

// NewKeys makes keys of secrets: random text of at least [MinSecret] bytes, the
// same in every worker. The first seals, all open. To rotate without logging
// anybody out, add the new one at the end, then, when every worker has it, move it
// to the front; drop the old one when its last sessions have expired. Errors say
// which secret is wrong, and nothing of what is in it.
func NewKeys(secrets ...string) (Keys, error) {
	if len(secrets) == 0 || len(secrets) > maxKeys {
		return Keys{}, fmt.Errorf("session keys: %d secrets, need 1 to %d", len(secrets), maxKeys)
	}
	var ring []key
	for i, secret := range secrets {
		if len(secret) < MinSecret {
			return Keys{}, fmt.Errorf("session keys: secret %d of %d has %d bytes, need at least %d: openssl rand -base64 32 makes one",
				i+1, len(secrets), len(secret), MinSecret)
		}
		prk, err := hkdf.Extract(sha256.New, []byte(secret), []byte("tandem session v1"))
		if err != nil {
			return Keys{}, fmt.Errorf("session keys: secret %d of %d: %w", i+1, len(secrets), err)
		}
		ring = append(ring, prk)
	}
	return Keys{&ring}, nil
}

// A sealed value is base64url of: version, salt, nonce, ciphertext, tag. Each is
// encrypted under a key of its own, derived from the salt, so that there is no
// number of cookies after which random nonces repeat. The cookie's name is part of
// what is authenticated: one cookie's value is nothing in another.
const (
	version   = 1
	saltSize  = 16
	nonceSize = 12
	tagSize   = 16
	headSize  = 1 + saltSize + nonceSize
)

var encoding = base64.RawURLEncoding.Strict()

// errSealed is all that is said of a value that does not open.
var errSealed = errors.New("session: not a value that these keys have sealed")

// sealedSize is the length of a sealed value of n bytes.
func sealedSize(n int) int { return encoding.EncodedLen(headSize + n + tagSize) }

func (k key) aead(salt []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Expand(sha256.New, k, string(salt), 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal makes a cookie's value of plain.
func (ks Keys) seal(name string, plain []byte) (string, error) {
	out := make([]byte, headSize, headSize+len(plain)+tagSize)
	out[0] = version
	_, _ = rand.Read(out[1:]) // never fails
	aead, err := (*ks.ring)[0].aead(out[1 : 1+saltSize])
	if err != nil {
		return "", fmt.Errorf("seal session: %w", err)
	}
	out = aead.Seal(out, out[1+saltSize:headSize], plain, associated(name))
	return encoding.EncodeToString(out), nil
}

// open is seal's inverse; no key says why it failed.
func (ks Keys) open(name, sealed string) ([]byte, error) {
	if len(sealed) > maxCookie || strings.ContainsAny(sealed, "\r\n") { // which the decoder would skip
		return nil, errSealed
	}
	b, err := encoding.DecodeString(sealed)
	if err != nil || len(b) < headSize+tagSize || b[0] != version {
		return nil, errSealed
	}
	for _, k := range *ks.ring {
		aead, err := k.aead(b[1 : 1+saltSize])
		if err != nil {
			return nil, errSealed
		}
		if plain, err := aead.Open(nil, b[1+saltSize:headSize], b[headSize:], associated(name)); err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}

func associated(name string) []byte { return append([]byte{version}, name...) }
