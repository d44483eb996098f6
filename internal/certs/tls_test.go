package certs

import (
	"crypto/tls"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/tandem-go/tandem/internal/certs/certtest"
)

func TestVersionsAndProtocols(t *testing.T) {
	f := newFiles(t, certtest.Leaf{})
	for name, test := range map[string]struct {
		minimum uint16
		base    *tls.Config
		version uint16 // the client's only one
		refused bool
	}{
		"1.1":                        {version: tls.VersionTLS11, refused: true},
		"1.2":                        {version: tls.VersionTLS12},
		"1.3":                        {version: tls.VersionTLS13},
		"1.2 below a minimum":        {minimum: tls.VersionTLS13, version: tls.VersionTLS12, refused: true},
		"1.2 below the base's":       {base: &tls.Config{MinVersion: tls.VersionTLS13}, version: tls.VersionTLS12, refused: true},
		"1.1 that the base allows":   {base: &tls.Config{MinVersion: tls.VersionTLS10}, version: tls.VersionTLS11, refused: true},
		"1.2 at the default minimum": {minimum: tls.VersionTLS12, version: tls.VersionTLS12},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := open(t, Options{Pairs: []Pair{f.Pair}, MinVersion: test.minimum})
			client := f.client()
			client.MinVersion, client.MaxVersion = test.version, test.version
			got := connect(t, s.Config(test.base), client)
			switch {
			case test.refused && (got.serverErr == nil || !strings.Contains(got.serverErr.Error(), "unsupported version")):
				t.Errorf("shook hands: %v, %v", got.clientErr, got.serverErr)
			case !test.refused && (got.clientErr != nil || got.client.Version != test.version):
				t.Errorf("%v, %v", got.clientErr, got.serverErr)
			}
		})
	}
	s, _ := open(t, Options{Pairs: []Pair{f.Pair}})
	client := f.client()
	client.NextProtos = []string{"http/1.1", "h2"}
	if got := connect(t, s.Config(&tls.Config{NextProtos: []string{"h2"}}), client).client.NegotiatedProtocol; got != "h2" {
		t.Errorf("negotiated %q", got)
	}
}

// A client with a certificate of the authority, with one of another, and without.
func TestClientsCertificates(t *testing.T) {
	f := newFiles(t, certtest.Leaf{})
	known := f.ca.Issue(t, certtest.Leaf{Names: []string{"client"}}).TLS()
	expired := f.ca.Issue(t, certtest.Leaf{Names: []string{"client"}, NotAfter: time.Now().Add(-time.Hour)}).TLS()
	stranger := certtest.New(t, "another authority").Issue(t, certtest.Leaf{Names: []string{"client"}}).TLS()
	cas := put(t, f.dir, "cas.pem", string(f.ca.PEM()))
	for name, test := range map[string]struct {
		auth     tls.ClientAuthType
		shows    *tls.Certificate
		refused  string
		verified bool
	}{
		"off, shown":        {auth: tls.NoClientCert, shows: &known},
		"optional, none":    {auth: tls.VerifyClientCertIfGiven},
		"optional, shown":   {auth: tls.VerifyClientCertIfGiven, shows: &known, verified: true},
		"optional, other":   {auth: tls.VerifyClientCertIfGiven, shows: &stranger, refused: "unknown authority"},
		"required, none":    {auth: tls.RequireAndVerifyClientCert, refused: "didn't provide a certificate"},
		"required, shown":   {auth: tls.RequireAndVerifyClientCert, shows: &known, verified: true},
		"required, other":   {auth: tls.RequireAndVerifyClientCert, shows: &stranger, refused: "unknown authority"},
		"required, expired": {auth: tls.RequireAndVerifyClientCert, shows: &expired, refused: "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Pairs: []Pair{f.Pair}, ClientAuth: test.auth}
			if test.auth != tls.NoClientCert {
				o.ClientCA = cas
			}
			s, _ := open(t, o)
			client := f.client()
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if test.shows == nil {
					return &tls.Certificate{}, nil
				}
				return test.shows, nil
			}
			got := connect(t, s.Config(nil), client)
			if test.refused != "" {
				if got.serverErr == nil || !strings.Contains(got.serverErr.Error(), test.refused) || got.clientErr == nil {
					t.Errorf("client %v, server %v; want it refused: %s", got.clientErr, got.serverErr, test.refused)
				}
				return
			}
			if got.clientErr != nil {
				t.Fatal(got.clientErr, got.serverErr)
			}
			if verified := len(got.server.VerifiedChains) > 0; verified != test.verified {
				t.Errorf("verified: %v", verified)
			}
		})
	}
}

// A client whose authority is taken out is refused from then on, also when it
// comes with a ticket from before.
func TestClientCAsThatChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles(t, certtest.Leaf{})
		next := certtest.New(t, "the next authority")
		cas := put(t, f.dir, "cas.pem", string(f.ca.PEM()))
		s, log := open(t, Options{Pairs: []Pair{f.Pair}, ClientCA: cas, ClientAuth: tls.RequireAndVerifyClientCert})
		log.want(t, "certificate loaded", `level=INFO msg="client CAs loaded" file=`+cas+` cas="[CN=authority of a test]"`)
		looking(t, s)
		server := s.Config(nil)
		clientOf := func(ca *certtest.Authority) *tls.Config {
			c := f.client()
			c.Certificates = []tls.Certificate{ca.Issue(t, certtest.Leaf{Names: []string{"client"}}).TLS()}
			c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			return c
		}
		old, fresh := clientOf(f.ca), clientOf(next)
		if got := connect(t, server, fresh); got.serverErr == nil {
			t.Error("the next authority counts already")
		}
		for _, resumed := range []bool{false, true} {
			if got := connect(t, server, old); got.clientErr != nil || got.client.DidResume != resumed || len(got.server.VerifiedChains) == 0 {
				t.Errorf("%v, %v; resumed: %v", got.clientErr, got.serverErr, got.client.DidResume)
			}
		}
		certtest.Put(t, cas, next.PEM())
		pass(lookEvery)
		log.want(t, `level=INFO msg="client CAs replaced" … cas="[CN=the next authority]"`)
		if got := connect(t, server, old); got.serverErr == nil {
			t.Error("a ticket was worth more than the authorities")
		}
		if got := connect(t, server, fresh); got.clientErr != nil {
			t.Error(got.clientErr)
		}
		certtest.Put(t, cas, []byte("nothing"))
		pass(time.Minute)
		log.want(t, `level=ERROR msg="changed client CAs are not taken in, those from before still count" error="client CAs `+cas+`: it has no certificate in PEM form"`)
		if got := connect(t, server, fresh); got.clientErr != nil {
			t.Error(got.clientErr)
		}
		certtest.Put(t, cas, next.PEM())
		pass(time.Minute)
		log.want(t, "client CAs are right again")
	})
}

func TestAnOCSPResponseIsStapledWhileItIsGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFiles(t, certtest.Leaf{})
		now, minute := time.Now(), time.Minute
		f.OCSP = put(t, f.dir, "tls.ocsp", string(f.leaf.OCSP(t, ocsp.Good, now.Add(-minute), now.Add(4*minute))))
		s, log := open(t, Options{Pairs: []Pair{f.Pair}})
		log.want(t, "certificate loaded", `level=INFO msg="OCSP response stapled" ocsp=`+f.OCSP+` serial=`+serial(f.leaf.Cert))
		looking(t, s)
		stapled := func(want []byte) {
			t.Helper()
			got := connect(t, s.Config(nil), f.client())
			if got.clientErr != nil || string(got.client.OCSPResponse) != string(want) {
				t.Errorf("stapled %d bytes, want %d; %v", len(got.client.OCSPResponse), len(want), got.clientErr)
			}
		}
		replace := func(der []byte) {
			certtest.Put(t, f.OCSP, der)
			pass(10 * time.Second)
		}
		first := f.leaf.OCSP(t, ocsp.Good, now.Add(-minute), now.Add(4*minute))
		replace(first)
		log.want(t, "OCSP response stapled")
		stapled(first)

		kept := `level=ERROR msg="a changed OCSP response is not taken in, the one from before is stapled on" error="OCSP response ` + f.OCSP + ": "
		for _, test := range []struct {
			der  []byte
			want string
		}{
			{[]byte("malformed"), "it is not one for the certificate of serial " + serial(f.leaf.Cert)},
			{f.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}}).OCSP(t, ocsp.Good, now, now.Add(9*minute)), "it is not one for the certificate"},
			{f.leaf.OCSP(t, ocsp.Good, now.Add(-2*minute), now.Add(-minute)), "it expired at 1999-12-31T23:59:00Z"},
			{f.leaf.OCSP(t, ocsp.Good, now.Add(2*minute), now.Add(4*minute)), "it is not valid before"},
			{f.leaf.OCSP(t, ocsp.Revoked, now.Add(-minute), now.Add(4*minute)), "the certificate was revoked at 1999-12-31T23:59:00Z: replace it"},
			{f.leaf.OCSP(t, ocsp.Unknown, now.Add(-minute), now.Add(4*minute)), "its issuer does not know the certificate"},
		} {
			replace(test.der)
			log.want(t, kept+test.want)
			stapled(first)
		}

		// At its end it is stapled no more, whatever the file has.
		pass(5 * minute)
		log.want(t, `level=ERROR msg="the OCSP response has expired and is stapled no more`)
		stapled(nil)
		second := f.leaf.OCSP(t, ocsp.Good, time.Now().Add(-minute), time.Time{}) // without an end
		replace(second)
		log.want(t, "OCSP response stapled")
		stapled(second)

		// With another certificate it goes, and one for that comes.
		fresh := f.ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}})
		fresh.Write(t, f.dir)
		pass(lookEvery)
		stapled(nil)
		third := fresh.OCSP(t, ocsp.Good, time.Now().Add(-minute), time.Now().Add(minute))
		replace(third)
		log.want(t, "certificate replaced", "OCSP response stapled")
		stapled(third)
		f.leaf.Write(t, f.dir)
		pass(time.Minute)
		log.want(t, "certificate replaced", `level=ERROR msg="no OCSP response is stapled" … it is not one for the certificate of serial `+serial(f.leaf.Cert))
	})
}

// What is no response for the certificate does not keep a server from starting.
func TestABadOCSPResponseAtTheStart(t *testing.T) {
	f := newFiles(t, certtest.Leaf{})
	f.OCSP = put(t, f.dir, "tls.ocsp", "malformed")
	s, log := open(t, Options{Pairs: []Pair{f.Pair}})
	log.want(t, "certificate loaded", `level=ERROR msg="no OCSP response is stapled" cert=`+f.Cert+` error="OCSP response `+f.OCSP)
	f.serves(t, s, f.leaf)

	alone := Pair{Cert: put(t, f.dir, "alone.crt", strings.Replace(string(f.leaf.CertPEM()), string(f.ca.PEM()), "", 1)), Key: f.Key, OCSP: f.OCSP}
	_, log = open(t, Options{Pairs: []Pair{alone}})
	log.want(t, "certificate loaded", "the certificate's issuer is not in the certificate's file")
}

// Who has a configuration of his own ask for certificates, as SPIFFE's users do, is asked for.
func TestClientAuthOfTheBaseIsKept(t *testing.T) {
	f := newFiles(t, certtest.Leaf{})
	s, _ := open(t, Options{Pairs: []Pair{f.Pair}})
	base := &tls.Config{ClientAuth: tls.RequireAnyClientCert, ClientCAs: f.ca.Pool()}
	config := s.Config(base)
	if config.ClientAuth != base.ClientAuth || config.ClientCAs != base.ClientCAs {
		t.Error("it is not kept")
	}
	if got := connect(t, config, f.client()); got.serverErr == nil || !strings.Contains(got.serverErr.Error(), "didn't provide a certificate") {
		t.Errorf("a client without one: %v", got.serverErr)
	}
}
