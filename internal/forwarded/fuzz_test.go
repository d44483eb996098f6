package forwarded_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/forwarded"
)

// FuzzRead: whatever a client puts before what its proxy adds, the client is the
// client; and what is told is fit to be used.
func FuzzRead(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""},
		{"192.0.2.1, unknown, 10.0.0.1", `for=192.0.2.1, for="[2001:db8::1]:80";proto=https;host=a`},
		{"[2001:db8::1]:80,10.0.0.1:1", `for="`},
		{"::1%lo", `for="\", for=_x;by=unknown`},
		{"1.2.3.4:99999", `for=a;for=b,,;=,"`},
		{"10.0.0.1,10.0.0.2", "For=10.0.0.1; HOST=\"a:1\""},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, x, standard string) {
		for name, value := range map[string]string{"X-Forwarded-For": x, "Forwarded": standard} {
			theirs := http.Header{name: {value}, "X-Forwarded-Proto": {x}, "X-Forwarded-Host": {standard}}
			if told, err := proxies.Read(theirs, direct); err == nil {
				usable(t, told)
				if again, err := proxies.Read(theirs, direct); err != nil || again.Client.Addr() != told.Client.Addr() ||
					again.Scheme != told.Scheme || again.Host != told.Host {
					t.Errorf("%q: read again it is %v (%v), not %v", theirs, again, err, told)
				}
			}

			added := map[string]string{"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1;proto=https;host=www.example.com"}[name]
			for _, lines := range [][]string{{value + "," + added}, {value + ", " + added}, {value, added}} {
				told, err := proxies.Read(http.Header{name: slices.Clone(lines)}, direct)
				if err != nil || told.Client != netip.MustParseAddrPort("192.0.2.1:0") || name == "Forwarded" && told.Host != "www.example.com" {
					t.Errorf("%s %q: %v, %v", name, lines, told, err)
				}
			}
		}
	})
}

func usable(t *testing.T, told forwarded.Told) {
	t.Helper()
	if !told.Client.IsValid() || told.Client.Addr().Zone() != "" || told.Scheme != "http" && told.Scheme != "https" ||
		told.Host == "" || strings.ContainsAny(told.Host, " \t\r\n,/@\"\\") {
		t.Errorf("told %q", show(told))
	}
}
