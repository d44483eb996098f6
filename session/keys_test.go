package session

import (
	"fmt"
	"strings"
	"testing"
)

const testSecret = "a secret of more than thirty-two bytes"

func TestKeysAreRefusedWithoutBeingShown(t *testing.T) {
	short := "too short a secret"
	for name, c := range map[string]struct {
		secrets []string
		want    string
	}{
		"none":     {nil, "session keys: 0 secrets, need 1 to 16"},
		"short":    {[]string{testSecret, short}, "session keys: secret 2 of 2 has 18 bytes, need at least 32: openssl rand -base64 32 makes one"},
		"too many": {make([]string, 17), "session keys: 17 secrets, need 1 to 16"},
	} {
		if _, err := NewKeys(c.secrets...); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestKeysArePrintedAsNothing(t *testing.T) {
	ks, err := NewKeys(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	m := newManager(ks, nil)
	key := (*ks.ring)[0]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{ks, struct{ Keys Keys }{ks}, m, *m} {
			got := fmt.Sprintf(verb, v)
			for _, secret := range []any{[]byte(key), []byte(testSecret), testSecret} {
				if s := fmt.Sprintf(verb, secret); strings.Contains(got, strings.Trim(s, "[]{}")) {
					t.Errorf("%s of %T shows a secret: %s", verb, v, got)
				}
			}
		}
	}
}

func TestEachSealIsAnother(t *testing.T) {
	ks, err := NewKeys(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ks.seal("s", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ks.seal("s", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if a == b || len(a) != sealedSize(5) || strings.Contains(a, "plain") {
		t.Errorf("%q and %q", a, b)
	}
	if plain, err := ks.open("s", b); err != nil || string(plain) != "plain" {
		t.Errorf("opened %q, %v", plain, err)
	}
	if _, err := ks.open("t", b); err == nil {
		t.Error("another cookie's value was opened")
	}
}

// Whatever a client sends, no more is opened than what was sealed.
func FuzzOpen(f *testing.F) {
	ks, err := NewKeys(testSecret, strings.ToUpper(testSecret))
	if err != nil {
		f.Fatal(err)
	}
	// Sealed once, so that it opens wherever the target runs.
	const good = "Abd3JX6XIv2gg4DTlp-_6SY9p8Vb75O55KnWiyDsebJXNqa9S26ttHJIYOicyHLMUQaciWlL"
	for _, seed := range []string{"", "AQ", good, good[1:], good + "A", good + "=", good + "\n", strings.Repeat("A", maxCookie+1)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cookie string) {
		plain, err := ks.open("s", cookie)
		if (err == nil) != (cookie == good) {
			t.Errorf("%q: %q, %v", cookie, plain, err)
		}
	})
}

// A value with any one bit changed does not open.
func TestAChangedValueDoesNotOpen(t *testing.T) {
	ks, err := NewKeys(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	good, err := ks.seal("s", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := encoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(raw) {
		raw[i/8] ^= 1 << (i % 8)
		if plain, err := ks.open("s", encoding.EncodeToString(raw)); err == nil {
			t.Errorf("bit %d: opened as %q", i, plain)
		}
		raw[i/8] ^= 1 << (i % 8)
	}
}

func BenchmarkSealAndOpen(b *testing.B) {
	ks, err := NewKeys(testSecret)
	if err != nil {
		b.Fatal(err)
	}
	plain := []byte(strings.Repeat("x", 300))
	b.ReportAllocs()
	for b.Loop() {
		sealed, err := ks.seal("s", plain)
		if err == nil {
			_, err = ks.open("s", sealed)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
