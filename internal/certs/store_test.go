package certs

import (
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/internal/certs/certtest"
)

// watched runs f with a store of that pair which looks at its files, in a time of its own.
func watched(t *testing.T, l certtest.Leaf, f func(t *testing.T, files *files, s *Store, log records)) {
	synctest.Test(t, func(t *testing.T) {
		files := newFiles(t, l)
		s, log := open(t, Options{Pairs: []Pair{files.Pair}})
		log.Take()
		looking(t, s)
		f(t, files, s, log)
	})
}

func looking(t *testing.T, s *Store) {
	done := make(chan struct{})
	go s.Watch(done)
	t.Cleanup(func() { close(done) })
}

// pass lets time go by, and the looks that are due then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAChangedPairIsServedWithoutTouchingAConnection(t *testing.T) {
	watched(t, certtest.Leaf{}, func(t *testing.T, f *files, s *Store, log records) {
		c, inner := net.Pipe()
		server, client := tls.Server(inner, s.Config(nil)), tls.Client(c, f.client())
		go func() { _, _ = io.Copy(server, server) }()
		defer server.Close()
		defer client.Close()
		say := func(word string) {
			t.Helper()
			got := make([]byte, len(word))
			if _, err := io.WriteString(client, word); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, got); err != nil || string(got) != word {
				t.Fatalf("%q answered by %q, %v", word, got, err)
			}
		}
		say("before")
		fresh := f.ca.Issue(t, certtest.Leaf{Names: []string{"a.example", "192.0.2.1"}, NotAfter: time.Now().AddDate(1, 0, 0)})
		fresh.Write(t, f.dir)
		f.serves(t, s, f.leaf)
		pass(lookEvery)
		f.serves(t, s, fresh)
		log.want(t, `level=INFO msg="certificate replaced" cert=`+f.Cert+` names="[a.example 192.0.2.1]" not_after=2001- … serial=`+serial(fresh.Cert)+` sha256=`+fingerprint(fresh.Cert))
		say("after")
		pass(time.Minute)
		log.want(t)
		fresh.Write(t, f.dir) // the same once more
		pass(time.Minute)
		log.want(t)
	})
}

// Kubernetes sets a link to another directory.
func TestALinkThatIsSetToAnotherDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles(t, certtest.Leaf{})
		fresh := f.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
		other := t.TempDir()
		fresh.Write(t, other)
		volume := t.TempDir()
		link := func(target string) {
			if err := os.Symlink(target, filepath.Join(volume, "..data_tmp")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(volume, "..data_tmp"), filepath.Join(volume, "..data")); err != nil {
				t.Fatal(err)
			}
		}
		link(f.dir)
		pair := Pair{Cert: filepath.Join(volume, "tls.crt"), Key: filepath.Join(volume, "tls.key")}
		for _, path := range []string{pair.Cert, pair.Key} {
			if err := os.Symlink(filepath.Join("..data", filepath.Base(path)), path); err != nil {
				t.Fatal(err)
			}
		}
		s, _ := open(t, Options{Pairs: []Pair{pair}})
		looking(t, s)
		f.serves(t, s, f.leaf)
		link(other)
		pass(lookEvery)
		f.serves(t, s, fresh)
	})
}

func TestAHalfWrittenPairIsWaitedFor(t *testing.T) {
	watched(t, certtest.Leaf{}, func(t *testing.T, f *files, s *Store, log records) {
		fresh := f.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
		certtest.Put(t, f.Cert, fresh.CertPEM())
		pass(3 * lookEvery)
		f.serves(t, s, f.leaf)
		certtest.Put(t, f.Key, fresh.KeyPEM(t)[:20])
		pass(lookEvery)
		f.serves(t, s, f.leaf)
		certtest.Put(t, f.Key, fresh.KeyPEM(t))
		pass(lookEvery)
		f.serves(t, s, fresh)
		log.want(t, "certificate replaced")
	})
}

func TestABadCertificateKeepsTheOldOneAndSaysSoOnce(t *testing.T) {
	watched(t, certtest.Leaf{}, func(t *testing.T, f *files, s *Store, log records) {
		refused := `level=ERROR msg="a changed certificate is not taken in, the one from before is served on" error=" … `
		certtest.Put(t, f.Cert, []byte("no certificate"))
		pass(time.Minute)
		log.want(t, refused+f.Cert+`: it has no certificate in PEM form" serving=`+serial(f.leaf.Cert))
		f.serves(t, s, f.leaf)

		other := f.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
		certtest.Put(t, f.Cert, other.CertPEM())
		pass(time.Minute)
		log.want(t, refused+`private key does not match public key"`)

		expired := f.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}, NotAfter: time.Now().Add(-time.Hour).Truncate(time.Hour)})
		expired.Write(t, f.dir)
		pass(time.Minute)
		log.want(t, refused+f.Cert+": it expired at 1999-12-31T23:00:00Z")

		early := f.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}, NotBefore: time.Now().Add(24 * time.Hour).Truncate(24 * time.Hour)})
		early.Write(t, f.dir)
		pass(time.Minute)
		log.want(t, refused+f.Cert+": it is not valid before 2000-01-02T00:00:00Z")

		if err := os.Remove(f.Key); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		log.want(t, refused+f.Key+": no such file or directory")
		f.serves(t, s, f.leaf)

		f.leaf.Write(t, f.dir) // the old one again
		pass(time.Minute)
		log.want(t, `level=INFO msg="certificate and key are right again, and those that are served" cert=`+f.Cert)
		f.serves(t, s, f.leaf)
	})
}

func TestTheEndOfACertificateIsWarnedOfOnceADay(t *testing.T) {
	day, now := 24*time.Hour, time.Now()
	f := newFiles(t, certtest.Leaf{NotAfter: now.Add(16 * day)})
	s, log := open(t, Options{Pairs: []Pair{f.Pair}})
	log.want(t, "certificate loaded")
	soon := `level=WARN msg="the certificate expires soon: replace its files, no restart is needed" cert=` + f.Cert + ` not_after=`
	late := `level=ERROR msg="the certificate has expired: replace its files, no restart is needed" cert=` + f.Cert
	for _, test := range []struct {
		after time.Duration
		want  []string
	}{
		{2*day - time.Hour, nil},
		{2*day + time.Hour, []string{soon}},
		{2*day + 2*time.Hour, nil},
		{3*day + time.Hour, []string{soon}},
		{15*day + 23*time.Hour, []string{soon}},
		{16*day + 23*time.Hour, []string{late}},
		{17*day + 22*time.Hour, nil},
		{17*day + 23*time.Hour, []string{late}},
	} {
		s.look(now.Add(test.after))
		log.want(t, test.want...)
	}
	// An expired one may take the place of an expired one.
	next := f.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}, NotAfter: now.Add(17 * day)})
	next.Write(t, f.dir)
	s.look(now.Add(18 * day))
	log.want(t, "certificate replaced", late)
}

func TestAnExpiredCertificateIsServedAtTheStart(t *testing.T) {
	f := newFiles(t, certtest.Leaf{NotAfter: time.Now().Add(-time.Hour)})
	s, log := open(t, Options{Pairs: []Pair{f.Pair}})
	log.want(t, "certificate loaded", `level=WARN msg="the certificate is not valid and is served all the same: there is no other" cert=`+f.Cert+` error="it expired at`)
	client := f.client()
	client.InsecureSkipVerify = true
	if got := connect(t, s.Config(nil), client).serial(t); got != serial(f.leaf.Cert) {
		t.Error("serves", got)
	}
}

func TestAKeyThatEverybodyMayReadIsWarnedOf(t *testing.T) {
	f := newFiles(t, certtest.Leaf{})
	if err := os.Chmod(f.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	_, log := open(t, Options{Pairs: []Pair{f.Pair}})
	log.want(t, "certificate loaded", `level=WARN msg="everybody on this machine may read the key … key=`+f.Key)
}

// Nothing that is logged or said of a failure has a key in it.
func TestNoKeyInTheLog(t *testing.T) {
	watched(t, certtest.Leaf{}, func(t *testing.T, f *files, s *Store, log records) {
		keyPEM := f.leaf.KeyPEM(t)
		secret := [][32]byte{[32]byte([]byte("the key of tickets, 32 bytes long"))}
		s.SetTickets(secret)
		certtest.Put(t, f.Cert, keyPEM)                                        // swapped by mistake
		certtest.Put(t, f.Key, append([]byte("-----BEGIN X-----"), keyPEM...)) // and damaged
		pass(time.Minute)
		text := log.Take()
		for _, hidden := range []string{strings.Split(string(keyPEM), "\n")[1][:16], string(secret[0][:8]), hex.EncodeToString(secret[0][:4])} {
			if strings.Contains(text, hidden) {
				t.Errorf("%q is in %s", hidden, text)
			}
		}
	})
}
