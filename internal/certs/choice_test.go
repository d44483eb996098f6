package certs

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/tandem-go/tandem/internal/certs/certtest"
)

func TestWhichCertificateAClientGets(t *testing.T) {
	ca := certtest.New(t, "authority of a test")
	issue := func(l certtest.Leaf) *certtest.Issued { return ca.Issue(t, l) }
	first := issue(certtest.Leaf{Names: []string{"first.example"}})
	wild := issue(certtest.Leaf{Names: []string{"*.Shop.example"}})
	exact := issue(certtest.Leaf{Names: []string{"pay.shop.example"}})
	rsa := issue(certtest.Leaf{Names: []string{"both.example"}, RSA: true})
	ecdsa := issue(certtest.Leaf{Names: []string{"both.example"}})
	four := issue(certtest.Leaf{Names: []string{"192.0.2.1"}})
	six := issue(certtest.Leaf{Names: []string{"2001:db8::1"}})
	var all []*tls.Certificate
	for _, one := range []*certtest.Issued{first, wild, exact, rsa, ecdsa, four, six} {
		c := one.TLS()
		all = append(all, &c)
	}
	server := &tls.Config{GetCertificate: newChoice(all).get}
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 443} }
	onlyRSA := func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	}
	onlyECDSA := func(c *tls.Config) {
		c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	}
	for name, test := range map[string]struct {
		sni    string
		local  net.Addr
		change func(*tls.Config)
		want   *certtest.Issued
	}{
		"exact name":              {sni: "pay.shop.example", want: exact},
		"exact name, capitals":    {sni: "PAY.shop.Example", want: exact},
		"wildcard":                {sni: "api.shop.example", want: wild},
		"wildcard is one label":   {sni: "a.b.shop.example", want: first},
		"wildcard is not nothing": {sni: "shop.example", want: first},
		"unknown name":            {sni: "other.example", want: first},
		"both keys, new client":   {sni: "both.example", want: rsa},
		"both keys, only RSA":     {sni: "both.example", change: onlyRSA, want: rsa},
		"both keys, only ECDSA":   {sni: "both.example", change: onlyECDSA, want: ecdsa},
		"no name, address":        {local: tcp("192.0.2.1"), want: four},
		"no name, mapped address": {local: tcp("::ffff:192.0.2.1"), want: four},
		"no name, IPv6":           {local: tcp("2001:db8::1"), want: six},
		"no name, other address":  {local: tcp("192.0.2.2"), want: first},
		"no name, unix socket":    {local: &net.UnixAddr{Name: "/run/app", Net: "unix"}, want: first},
	} {
		t.Run(name, func(t *testing.T) {
			client := &tls.Config{InsecureSkipVerify: true, ServerName: test.sni}
			if test.change != nil {
				test.change(client)
			}
			var local []net.Addr
			if test.local != nil {
				local = append(local, test.local)
			}
			if got := connect(t, server, client, local...).serial(t); got != serial(test.want.Cert) {
				t.Errorf("got the certificate %s, want %s for %v", got, serial(test.want.Cert), names(test.want.Cert))
			}
		})
	}
}

// Go's client sends no address in place of a name; others do.
func TestAnAddressInPlaceOfAName(t *testing.T) {
	ca := certtest.New(t, "authority of a test")
	first, four := ca.Issue(t, certtest.Leaf{Names: []string{"a.example"}}).TLS(), ca.Issue(t, certtest.Leaf{Names: []string{"192.0.2.1"}}).TLS()
	c := newChoice([]*tls.Certificate{&first, &four})
	for name, want := range map[string]*tls.Certificate{"192.0.2.1": &four, "192.0.2.9": &first, "": &first} {
		if got, err := c.get(&tls.ClientHelloInfo{ServerName: name}); got != want || err != nil {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
}
