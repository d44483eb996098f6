package forwarded_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/forwarded"
)

var proxies = forwarded.Networks{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

// direct is what the connection of a trusted peer tells.
var direct = forwarded.Told{Client: netip.MustParseAddrPort("10.0.0.1:4711"), Scheme: "http", Host: "upstream"}

// header makes one of lines such as "X-Forwarded-For: 192.0.2.1".
func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

func show(told forwarded.Told) string {
	return told.Scheme + "://" + told.Host + " for " + told.Client.String()
}

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lines []string
		want  string
	}{
		"nothing": {nil, "http://upstream for 10.0.0.1:4711"},

		"the client's address":             {[]string{"X-Forwarded-For: 192.0.2.1"}, "http://upstream for 192.0.2.1:0"},
		"with its port":                    {[]string{"X-Forwarded-For: 192.0.2.1:80"}, "http://upstream for 192.0.2.1:80"},
		"an IPv6 address":                  {[]string{"X-Forwarded-For: 2001:db8::1"}, "http://upstream for [2001:db8::1]:0"},
		"in brackets":                      {[]string{"X-Forwarded-For: [2001:db8::1]"}, "http://upstream for [2001:db8::1]:0"},
		"in brackets with a port":          {[]string{"X-Forwarded-For: [2001:db8::1]:443"}, "http://upstream for [2001:db8::1]:443"},
		"IPv4 in IPv6":                     {[]string{"X-Forwarded-For: ::ffff:192.0.2.1"}, "http://upstream for 192.0.2.1:0"},
		"what the client wrote":            {[]string{"X-Forwarded-For: 203.0.113.9, 192.0.2.1"}, "http://upstream for 192.0.2.1:0"},
		"what the client wrote, above":     {[]string{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.1"}, "http://upstream for 192.0.2.1:0"},
		"over two proxies":                 {[]string{"X-Forwarded-For: 203.0.113.9, 192.0.2.1,10.2.3.4"}, "http://upstream for 192.0.2.1:0"},
		"over two proxies, in lines":       {[]string{"X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: fd00::2"}, "http://upstream for 192.0.2.1:0"},
		"a proxy's own":                    {[]string{"X-Forwarded-For: 10.9.9.9, 10.2.3.4"}, "http://upstream for 10.9.9.9:0"},
		"nothing but commas":               {[]string{"X-Forwarded-For: , ,", "X-Forwarded-For: "}, "http://upstream for 10.0.0.1:4711"},
		"empty elements":                   {[]string{"X-Forwarded-For: 192.0.2.1,, 10.2.3.4 , "}, "http://upstream for 192.0.2.1:0"},
		"unknown":                          {[]string{"X-Forwarded-For: 192.0.2.1, unknown"}, "http://upstream for 10.0.0.1:4711"},
		"unknown behind a proxy":           {[]string{"X-Forwarded-For: 192.0.2.1, unknown, 10.2.3.4"}, "http://upstream for 10.2.3.4:0"},
		"a zone":                           {[]string{"X-Forwarded-For: 192.0.2.1, fe80::1%eth0"}, "http://upstream for 10.0.0.1:4711"},
		"a port too big":                   {[]string{"X-Forwarded-For: 192.0.2.1:65536"}, "http://upstream for 10.0.0.1:4711"},
		"a port that is none":              {[]string{"X-Forwarded-For: [2001:db8::1]80"}, "http://upstream for 10.0.0.1:4711"},
		"a very long one":                  {[]string{"X-Forwarded-For: " + strings.Repeat("1", 70)}, "http://upstream for 10.0.0.1:4711"},
		"more proxies than there can be":   {[]string{"X-Forwarded-For: 192.0.2.1, " + strings.Repeat("10.0.0.7, ", 31) + "10.0.0.8"}, "http://upstream for 10.0.0.7:0"},
		"as many proxies as there can be":  {[]string{"X-Forwarded-For: 192.0.2.1, " + strings.Repeat("10.0.0.7, ", 30) + "10.0.0.8"}, "http://upstream for 192.0.2.1:0"},
		"the scheme alone":                 {[]string{"X-Forwarded-Proto: https"}, "https://upstream for 10.0.0.1:4711"},
		"the scheme of a WebSocket":        {[]string{"X-Forwarded-Proto: WSS"}, "https://upstream for 10.0.0.1:4711"},
		"no scheme":                        {[]string{"X-Forwarded-Proto: gopher"}, "http://upstream for 10.0.0.1:4711"},
		"the scheme of the client's hop":   {[]string{"X-Forwarded-For: 192.0.2.1, 10.2.3.4", "X-Forwarded-Proto: http, https, http"}, "https://upstream for 192.0.2.1:0"},
		"a scheme for all hops":            {[]string{"X-Forwarded-For: 192.0.2.1, 10.2.3.4", "X-Forwarded-Proto: https"}, "https://upstream for 192.0.2.1:0"},
		"too few schemes":                  {[]string{"X-Forwarded-For: 192.0.2.1, 10.2.3.4, 10.2.3.5", "X-Forwarded-Proto: https, http"}, "http://upstream for 192.0.2.1:0"},
		"the host":                         {[]string{"X-Forwarded-Host: www.example.com:8443"}, "http://www.example.com:8443 for 10.0.0.1:4711"},
		"a host of IPv6":                   {[]string{"X-Forwarded-Host: [2001:db8::1]:8443"}, "http://[2001:db8::1]:8443 for 10.0.0.1:4711"},
		"a host with a path":               {[]string{"X-Forwarded-Host: www.example.com/x"}, "http://upstream for 10.0.0.1:4711"},
		"a host with a user":               {[]string{"X-Forwarded-Host: me@www.example.com"}, "http://upstream for 10.0.0.1:4711"},
		"a host with a bad port":           {[]string{"X-Forwarded-Host: www.example.com:http"}, "http://upstream for 10.0.0.1:4711"},
		"the last host":                    {[]string{"X-Forwarded-Host: evil.example, www.example.com"}, "http://www.example.com for 10.0.0.1:4711"},
		"the port":                         {[]string{"X-Forwarded-Host: www.example.com", "X-Forwarded-Port: 8443"}, "http://www.example.com:8443 for 10.0.0.1:4711"},
		"the port of the host that came":   {[]string{"X-Forwarded-Port: 8443"}, "http://upstream:8443 for 10.0.0.1:4711"},
		"the port that the scheme has":     {[]string{"X-Forwarded-Proto: https", "X-Forwarded-Port: 443"}, "https://upstream for 10.0.0.1:4711"},
		"the port that the host has":       {[]string{"X-Forwarded-Host: www.example.com:80", "X-Forwarded-Port: 8443"}, "http://www.example.com:80 for 10.0.0.1:4711"},
		"the port of IPv6":                 {[]string{"X-Forwarded-Host: [2001:db8::1]", "X-Forwarded-Port: 8443"}, "http://[2001:db8::1]:8443 for 10.0.0.1:4711"},
		"a port that is not one":           {[]string{"X-Forwarded-Port: +80"}, "http://upstream for 10.0.0.1:4711"},
		"Forwarded":                        {[]string{"Forwarded: for=192.0.2.1;proto=https;host=www.example.com;by=10.0.0.1"}, "https://www.example.com for 192.0.2.1:0"},
		"Forwarded, in capitals":           {[]string{`Forwarded: FOR="192.0.2.1:80" ; Proto="HTTPS";Host="www.example.com:8443"`}, "https://www.example.com:8443 for 192.0.2.1:80"},
		"Forwarded, IPv6":                  {[]string{`Forwarded: for="[2001:db8::1]:4711"`}, "http://upstream for [2001:db8::1]:4711"},
		"Forwarded, an obfuscated port":    {[]string{`Forwarded: for="192.0.2.1:_x-1"`}, "http://upstream for 192.0.2.1:0"},
		"Forwarded, over two":              {[]string{`Forwarded: for=203.0.113.9;host=evil.example, for=192.0.2.1;proto=https;host=www.example.com, for=10.2.3.4;proto=http`}, "https://www.example.com for 192.0.2.1:0"},
		"Forwarded, in lines":              {[]string{"Forwarded: for=203.0.113.9", "Forwarded: for=192.0.2.1;proto=https", "Forwarded: for=10.2.3.4;host=inner"}, "https://upstream for 192.0.2.1:0"},
		"Forwarded, unknown":               {[]string{"Forwarded: for=192.0.2.1, for=unknown;proto=https"}, "https://upstream for 10.0.0.1:4711"},
		"Forwarded, obfuscated":            {[]string{"Forwarded: for=192.0.2.1, for=_SEVKISEK, for=10.2.3.4"}, "http://upstream for 10.2.3.4:0"},
		"Forwarded, without for":           {[]string{"Forwarded: proto=https;host=www.example.com"}, "https://www.example.com for 10.0.0.1:4711"},
		"Forwarded, for twice":             {[]string{"Forwarded: for=192.0.2.1;for=192.0.2.2;proto=https"}, "http://upstream for 10.0.0.1:4711"},
		"Forwarded, a pair without value":  {[]string{"Forwarded: for=192.0.2.1;proto="}, "http://upstream for 10.0.0.1:4711"},
		"Forwarded, no pair":               {[]string{"Forwarded: 192.0.2.1"}, "http://upstream for 10.0.0.1:4711"},
		"Forwarded, words behind a value":  {[]string{"Forwarded: for=192.0.2.1 proto=https"}, "http://upstream for 10.0.0.1:4711"},
		"Forwarded, a quote left open":     {[]string{`Forwarded: for="203.0.113.9, for=192.0.2.1`}, "http://upstream for 192.0.2.1:0"},
		"Forwarded, a quote left open, IP": {[]string{`Forwarded: for="\, for="[2001:db8::1]"`}, "http://upstream for [2001:db8::1]:0"},
		"Forwarded, a comma in quotes":     {[]string{`Forwarded: for=192.0.2.1;ext="a, \"b\", c"`}, "http://upstream for 192.0.2.1:0"},
		"Forwarded, escapes":               {[]string{`Forwarded: for="192.0.\2.1"`}, "http://upstream for 192.0.2.1:0"},
		"Forwarded, a control character":   {[]string{"Forwarded: for=192.0.2.1;ext=\"\x01\""}, "http://upstream for 10.0.0.1:4711"},
		"Forwarded, beyond its bound":      {[]string{"Forwarded: for=192.0.2.1;ext=" + strings.Repeat("x", 1024)}, "http://upstream for 10.0.0.1:4711"},
		"both, which agree":                {[]string{"Forwarded: for=192.0.2.1;proto=https", "X-Forwarded-For: 192.0.2.1:80", "X-Forwarded-Proto: https"}, "https://upstream for 192.0.2.1:80"},
		"both, and the same host":          {[]string{"Forwarded: for=192.0.2.1;host=UPSTREAM", "X-Forwarded-For: 192.0.2.1"}, "http://upstream for 192.0.2.1:0"},
		"both, another client":             {[]string{"Forwarded: for=203.0.113.9", "X-Forwarded-For: 192.0.2.1"}, "contradiction"},
		"both, a scheme in one":            {[]string{"Forwarded: for=192.0.2.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https"}, "contradiction"},
		"both, a host in one":              {[]string{"Forwarded: for=192.0.2.1;host=evil.example", "X-Forwarded-For: 192.0.2.1"}, "contradiction"},
		"both, a client in one":            {[]string{"Forwarded: for=203.0.113.9", "X-Forwarded-Proto: http"}, "contradiction"},
		"both, one not to be read":         {[]string{"Forwarded: garbage", "X-Forwarded-For: 192.0.2.1"}, "contradiction"},
	} {
		told, err := proxies.Read(header(tc.lines...), direct)
		got := show(told)
		if errors.Is(err, forwarded.ErrContradiction) {
			got = "contradiction"
		}
		if got != tc.want {
			t.Errorf("%s: %s (%v), want %s", name, got, err, tc.want)
		}
	}
}

// TestWhatIsNotBelievedIsGone: who reads the headers for themselves finds no more
// in them than what is believed.
func TestWhatIsNotBelievedIsGone(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ lines, want []string }{
		"left of the client": {
			[]string{"X-Forwarded-For: 203.0.113.8", "X-Forwarded-For: 203.0.113.9 , 192.0.2.1, 10.2.3.4"},
			[]string{"X-Forwarded-For: 192.0.2.1, 10.2.3.4"},
		},
		"in lines": {
			[]string{"X-Forwarded-For: 203.0.113.8, 192.0.2.1", "X-Forwarded-For: 10.2.3.4"},
			[]string{"X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.2.3.4"},
		},
		"left of what cannot be read": {
			[]string{"X-Forwarded-For: 192.0.2.1, unknown, ,10.2.3.4"},
			[]string{"X-Forwarded-For: 10.2.3.4"},
		},
		"all":           {[]string{"X-Forwarded-For: 192.0.2.1, unknown"}, nil},
		"nothing":       {[]string{"X-Forwarded-For: 192.0.2.1"}, []string{"X-Forwarded-For: 192.0.2.1"}},
		"Forwarded":     {[]string{`Forwarded: for=x", for=192.0.2.1;proto=https`}, []string{"Forwarded: for=192.0.2.1;proto=https"}},
		"Forwarded all": {[]string{`Forwarded: for="x`}, nil},
		"other values": {
			[]string{"X-Forwarded-Proto: http, https", "X-Forwarded-Host: evil.example", "X-Forwarded-Host: www.example.com", "X-Forwarded-Port: 80,443"},
			[]string{"X-Forwarded-Proto: https", "X-Forwarded-Host: www.example.com", "X-Forwarded-Port: 443"},
		},
		"values that are none": {[]string{"X-Forwarded-Proto: x", "X-Forwarded-Host: a b", "X-Forwarded-Port: 0"}, nil},
		"X-Real-IP":            {[]string{"X-Real-IP: 203.0.113.9", "X-Forwarded-For: 192.0.2.1"}, []string{"X-Real-IP: 192.0.2.1", "X-Forwarded-For: 192.0.2.1"}},
		"others":               {[]string{"Via: 1.1 x", "X-Forwarded-Prefix: /x"}, []string{"Via: 1.1 x", "X-Forwarded-Prefix: /x"}},
	} {
		h := header(tc.lines...)
		if _, err := proxies.Read(h, direct); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, want := write(h), write(header(tc.want...)); got != want {
			t.Errorf("%s: left is\n%swant\n%s", name, got, want)
		}
	}
}

func write(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return b.String()
}

// TestStrip: nothing of what a proxy writes comes from anybody else.
func TestStrip(t *testing.T) {
	t.Parallel()
	h := header("Forwarded: for=x", "X-Forwarded-For: x", "X-Forwarded-Ssl: on", "X-Real-IP: x", "X-Forward: x", "Accept: y")
	forwarded.Strip(h)
	if got := write(h); got != "Accept: y\r\nX-Forward: x\r\n" {
		t.Errorf("left is\n%s", got)
	}
}

// TestNetworksSeeThroughNotation: an address is the same however it is written.
func TestNetworksSeeThroughNotation(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd00::1%eth0": true, "11.0.0.1": false, "::a01:203": false, "2001:db8::1": false,
	} {
		if got := proxies.Contain(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if forwarded.Networks(nil).Contain(netip.MustParseAddr("10.1.2.3")) || proxies.Contain(netip.Addr{}) {
		t.Error("nobody is trusted, or somebody without an address")
	}
}

func TestReadCostsNoMemory(t *testing.T) {
	names := header("X-Forwarded-For: 203.0.113.9, 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: www.example.com", "Accept: x")
	h := http.Header{}
	if n := testing.AllocsPerRun(100, func() {
		for name, values := range names {
			h[name] = append(h[name][:0], values...)
		}
		if told, err := proxies.Read(h, direct); err != nil || told.Scheme != "https" {
			t.Fatal(told, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRead(b *testing.B) {
	for name, lines := range map[string][]string{
		"x":        {"X-Forwarded-For: 203.0.113.9, 192.0.2.1, 10.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: www.example.com"},
		"standard": {`Forwarded: for=203.0.113.9, for="[2001:db8::1]:4711";proto=https;host=www.example.com`},
		"nothing":  {"Accept: */*"},
	} {
		b.Run(name, func(b *testing.B) {
			h := header(lines...)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := proxies.Read(h, direct); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
