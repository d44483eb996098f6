package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/bridge"
)

func TestPasswordsAreHashedAndVerified(t *testing.T) {
	d := newDirectory(t)
	p := d.passwords
	job := bridge.NewRoot(t.Context(), d.limits)
	defer job.Close()
	hash, err := bridge.Await(job, func(ctx context.Context) (string, error) { return p.Hash(ctx, job, "s3cret") })
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=1024,t=1,p=1$") || p.NeedsRehash(hash) {
		t.Fatalf("hash %q, %v", hash, err)
	}
	verify := func(hash, password string) (bool, error) {
		return bridge.Await(job, func(ctx context.Context) (bool, error) { return p.Verify(ctx, job, hash, password) })
	}
	for password, want := range map[string]bool{"s3cret": true, "S3cret": false, "": false, strings.Repeat("s", 1025): false} {
		if got, err := verify(hash, password); err != nil || got != want {
			t.Errorf("%.10q: %v, %v", password, got, err)
		}
	}
	long := strings.Repeat("ä", 512) // every byte of it counts
	hash, err = p.HashSync(long)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := verify(hash, long); err != nil || !same {
		t.Errorf("%v, %v", same, err)
	}
	if same, err := verify(hash, long[:1022]+"ö"); err != nil || same {
		t.Errorf("%v, %v", same, err)
	}
	for _, bad := range []string{"", long + "x"} {
		if _, err := p.HashSync(bad); !errors.Is(err, auth.ErrPasswordLength) {
			t.Errorf("%d bytes: %v", len(bad), err)
		}
	}
}

func TestAHashOfAnotherCostNeedsRehash(t *testing.T) {
	weak, err := auth.NewPasswords(cheap)
	if err != nil {
		t.Fatal(err)
	}
	strong, err := auth.NewPasswords(auth.Cost{Memory: 2048, Passes: 1})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := weak.HashSync("s3cret")
	if err != nil {
		t.Fatal(err)
	}
	if same, err := strong.VerifySync(hash, "s3cret"); err != nil || !same || !strong.NeedsRehash(hash) || weak.NeedsRehash(hash) {
		t.Errorf("%v, %v; needs rehash: %v, %v", same, err, strong.NeedsRehash(hash), weak.NeedsRehash(hash))
	}
	def, err := auth.NewPasswords(auth.Cost{})
	if err != nil || !def.NeedsRehash(hash) || !strings.HasPrefix(def.Dummy(), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("%v, %s", err, def.Dummy())
	}
}

func TestHashesOutOfBoundsAreErrorsThatDoNotShowThem(t *testing.T) {
	p, err := auth.NewPasswords(cheap)
	if err != nil {
		t.Fatal(err)
	}
	const salt, key = "c2FsdHNhbHRzYWx0c2FsdA", "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U"
	good := func(m, t, p any, salt, key string) string {
		return fmt.Sprintf("$argon2id$v=19$m=%v,t=%v,p=%v$%s$%s", m, t, p, salt, key)
	}
	if _, err := p.VerifySync(good(1024, 1, 1, salt, key), "x"); err != nil {
		t.Fatal(err)
	}
	for _, hash := range []string{
		"", "plain", "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy", "$argon2i$v=19$m=1024,t=1,p=1$" + salt + "$" + key,
		"$argon2id$v=16$m=1024,t=1,p=1$" + salt + "$" + key,
		good(1<<30, 1, 1, salt, key), good(1024, 1000, 1, salt, key), good(1024, 0, 1, salt, key), good(1024, 1, 0, salt, key), good(1024, 1, 200, salt, key),
		good(4, 1, 1, salt, key), good(1024, 1, 1, "", key), good(1024, 1, 1, salt, ""), good(1024, 1, 1, salt, key+strings.Repeat("A", 600)), good(-1, 1, 1, salt, key),
	} {
		same, err := p.VerifySync(hash, "x")
		if same || err == nil || hash != "" && strings.Contains(err.Error(), hash) || !p.NeedsRehash(hash) {
			t.Errorf("%.60q: %v, %v", hash, same, err)
		}
	}
}

func TestACostHasBounds(t *testing.T) {
	for _, c := range []auth.Cost{{Memory: 1023, Passes: 1}, {Memory: 1<<20 + 1, Passes: 1}, {Memory: 1024}, {Memory: 1024, Passes: 65}} {
		if _, err := auth.NewPasswords(c); err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("passwords: cost of %d KiB and %d passes: need 1024 to 1048576 KiB", c.Memory, c.Passes)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
