package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/alexedwards/argon2id"

	"github.com/tandem-go/tandem/bridge"
)

// MaxPassword is the greatest length of a password, in bytes.
const MaxPassword = 1024

// ErrPasswordLength is the error of hashing a password that is empty, or longer
// than [MaxPassword].
var ErrPasswordLength = fmt.Errorf("a password has 1 to %d bytes", MaxPassword)

// errHash is all that is said of a hash that is none.
var errHash = errors.New("not an argon2id hash within the bounds of this package")

// Cost is what one verification takes. The zero Cost is the default: 19 MiB and 2
// passes, 20 to 50 ms of one CPU.
type Cost struct {
	Memory uint32 // KiB, 1024 to 1 GiB
	Passes uint32 // over the memory, 1 to 64
}

// Bounds of hashes that are verified. One thread alone: more would be outside of
// the permit that the frame has.
const (
	minMemory, maxMemory = 1 << 10, 1 << 20 // KiB
	maxPasses            = 64
	maxThreads           = 16 // of hashes that were made elsewhere
	saltBytes, keyBytes  = 16, 32
)

// Passwords hashes and verifies passwords with Argon2id. It is safe for concurrent
// use. A hash is text that names its own parameters, in the form of the reference
// implementation: $argon2id$v=19$m=19456,t=2,p=1$salt$key.
type Passwords struct {
	params  argon2id.Params
	dummy   string // a hash that no password has
	compare func(password, hash string) (bool, error)
}

// NewPasswords refuses a cost out of its bounds.
func NewPasswords(c Cost) (*Passwords, error) {
	if c == (Cost{}) {
		c = Cost{Memory: 19 << 10, Passes: 2}
	}
	if c.Memory < minMemory || c.Memory > maxMemory || c.Passes < 1 || c.Passes > maxPasses {
		return nil, fmt.Errorf("passwords: cost of %d KiB and %d passes: need %d to %d KiB and 1 to %d passes", c.Memory, c.Passes, minMemory, maxMemory, maxPasses)
	}
	p := &Passwords{
		params:  argon2id.Params{Memory: c.Memory, Iterations: c.Passes, Parallelism: 1, SaltLength: saltBytes, KeyLength: keyBytes},
		compare: argon2id.ComparePasswordAndHash,
	}
	var noise [saltBytes + keyBytes]byte
	_, _ = rand.Read(noise[:]) // never fails
	b64 := base64.RawStdEncoding
	p.dummy = fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", c.Memory, c.Passes, b64.EncodeToString(noise[:saltBytes]), b64.EncodeToString(noise[saltBytes:]))
	return p, nil
}

// Hash makes a hash to keep, on a permit of the CPU limiter of s, which is the
// request or the scope that ctx belongs to. It returns [ErrPasswordLength], and
// the errors of [bridge.RunSync].
func (p *Passwords) Hash(ctx context.Context, s bridge.Scoped, password string) (string, error) {
	return bridge.RunSync(ctx, func() (string, error) { return p.HashSync(password) }, bridge.On(s.Scope().Limits().CPU))
}

// HashSync makes a hash here and now: for commands, and for sync views with
// [view.CPU]. Other sync code awaits [Passwords.Hash].
func (p *Passwords) HashSync(password string) (string, error) {
	if password == "" || len(password) > MaxPassword {
		return "", ErrPasswordLength
	}
	hash, err := argon2id.CreateHash(password, &p.params)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// Verify says whether a hash is that of a password, on a permit of the CPU limiter
// of s, as [Passwords.Hash]. A hash that is none is an error.
func (p *Passwords) Verify(ctx context.Context, s bridge.Scoped, hash, password string) (bool, error) {
	return bridge.RunSync(ctx, func() (bool, error) { return p.VerifySync(hash, password) }, bridge.On(s.Scope().Limits().CPU))
}

// VerifySync is [Passwords.Verify] here and now, as [Passwords.HashSync].
func (p *Passwords) VerifySync(hash, password string) (bool, error) {
	if password == "" || len(password) > MaxPassword {
		return false, nil
	}
	if _, err := paramsOf(hash); err != nil {
		return false, err
	}
	same, err := p.compare(password, hash)
	if err != nil {
		return false, errHash
	}
	return same, nil
}

// NeedsRehash says whether a hash was made at another cost than p's. Whoever has
// just verified the password, at a login, hashes it again and keeps that. It ends
// sessions that began with the old one.
func (p *Passwords) NeedsRehash(hash string) bool {
	params, err := paramsOf(hash)
	return err != nil || *params != p.params
}

// paramsOf reads a hash's parameters. The library takes any; some of them panic,
// match every password, or take all memory.
func paramsOf(hash string) (*argon2id.Params, error) {
	if len(hash) > 512 {
		return nil, errHash
	}
	p, _, _, err := argon2id.DecodeHash(hash)
	switch {
	case err != nil,
		p.Memory < 8*uint32(p.Parallelism), p.Memory > maxMemory,
		p.Iterations < 1, p.Iterations > maxPasses,
		p.Parallelism < 1, p.Parallelism > maxThreads,
		p.SaltLength < 8, p.SaltLength > 64, p.KeyLength < 16, p.KeyLength > 64:
		return nil, errHash
	}
	return p, nil
}
