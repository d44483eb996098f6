package coding_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/coding"
)

func TestTheClientsPreferenceDecidesAndTheServersWhereItHasNone(t *testing.T) {
	tests := []struct {
		name   string
		accept []string
		want   string
	}{
		{"no header: anything is right", nil, "identity"},
		{"an empty one: no coding", []string{""}, "identity"},
		{"named", []string{"gzip"}, "gzip"},
		{"equals: the server's order", []string{"gzip, zstd, br"}, "br"},
		{"12.4.2: the higher weight", []string{"br;q=0.5, zstd;q=0.75, gzip;q=1"}, "gzip"},
		{"12.4.2: three digits", []string{"br;q=0.998, gzip;q=0.999"}, "gzip"},
		{"12.4.2: 0 is not acceptable", []string{"br;q=0, gzip;q=0.001"}, "gzip"},
		{"12.4.2: 0.000 is 0", []string{"br;q=0.000, zstd;q=0."}, "identity"},
		{"12.5.3: * is what is not named", []string{"*"}, "br"},
		{"12.5.3: * does not bring back what is refused", []string{"br;q=0, *"}, "zstd"},
		{"12.5.3: * refused", []string{"gzip, *;q=0"}, "gzip"},
		{"12.5.3: all refused by *", []string{"*;q=0"}, "identity"},
		{"12.5.3: identity is preferred", []string{"identity, gzip;q=0.5"}, "identity"},
		{"12.5.3: identity and a coding alike", []string{"identity, gzip"}, "gzip"},
		{"12.5.3: identity refused", []string{"identity;q=0, gzip;q=0.1"}, "gzip"},
		{"12.5.3: identity refused, and nothing left", []string{"identity;q=0"}, "identity"},
		{"12.5.3: an unknown one", []string{"compress, sdch"}, "identity"},
		{"5.3: several lines are one list", []string{"compress;q=0.5", "gzip", "br;q=0.9"}, "gzip"},
		{"5.6.1: empty elements", []string{",, gzip ,"}, "gzip"},
		{"5.6.3: white space around", []string{"gzip \t;\t q=0.5, br ; q=0.6"}, "br"},
		{"8.4.1: case is nothing", []string{"GZip;Q=1"}, "gzip"},
		{"8.4.1.3: x-gzip", []string{"x-gzip"}, "gzip"},
		{"named twice: the first", []string{"gzip;q=0, gzip"}, "identity"},
		{"weights that are none", []string{"br;q=, br;q=1.001, br;q=2, br;q=0.1234, br;q=-1, br;q=x, br;level=9, br;q=1e0, gzip;q=0.1"}, "gzip"},
		{"not a list", []string{`"gzip", gz ip, ;q=1, gzip/br`}, "identity"},
	}
	for _, test := range tests {
		if got := coding.Choose(test.accept, coding.Brotli, coding.Zstd, coding.Gzip); got != test.want {
			t.Errorf("%s: %q gets %s, want %s", test.name, test.accept, got, test.want)
		}
	}
}

func TestIdentityIsRefusedByNameOrByAStar(t *testing.T) {
	tests := map[string]bool{
		"":                  false,
		"gzip":              false,
		"gzip;q=0":          false,
		"identity;q=0":      true,
		"*;q=0":             true,
		"*;q=0, identity":   false,
		"gzip, *;q=0":       true,
		"identity;q=0, *":   true,
		"*;q=0.001":         false,
		"identity;q=0.001 ": false,
	}
	for accept, want := range tests {
		if got := coding.Refused([]string{accept}); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
	if coding.Refused(nil) {
		t.Error("no header refuses nothing")
	}
}

func TestVaryIsAddedOnce(t *testing.T) {
	tests := []struct{ have, want []string }{
		{nil, []string{"Accept-Encoding"}},
		{[]string{"Origin"}, []string{"Origin", "Accept-Encoding"}},
		{[]string{"Origin, accept-encoding"}, []string{"Origin, accept-encoding"}},
		{[]string{"*"}, []string{"*"}},
	}
	for _, test := range tests {
		if got := coding.Vary(test.have); !slices.Equal(got, test.want) {
			t.Errorf("%q becomes %q", test.have, got)
		}
	}
	shared := make([]string, 1, 2)
	shared[0] = "Origin"
	_ = coding.Vary(shared)
	if more := shared[:2]; more[1] != "" {
		t.Errorf("a list that others have was written to: %q", more)
	}
}

func TestTheCodingsThatWereAppliedAreAList(t *testing.T) {
	for _, test := range []struct{ lines, want []string }{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{"identity"}, nil},
		{[]string{"gzip"}, []string{"gzip"}},
		{[]string{"deflate, GZIP"}, []string{"deflate", "GZIP"}},
		{[]string{"identity , gzip,", " zstd"}, []string{"gzip", "zstd"}},
	} {
		if got := coding.Applied(test.lines); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q", test.lines, got)
		}
	}
}

func FuzzChoose(f *testing.F) {
	for _, seed := range []string{"", "gzip", "gzip;q=0.5, br;q=1", "*;q=0", "identity;q=0, *", "x-gzip;q=0.001,,;", "gzip;q=1.000;q=0"} {
		f.Add(seed)
	}
	offers := []string{coding.Brotli, coding.Zstd, coding.Gzip}
	f.Fuzz(func(t *testing.T, accept string) {
		got := coding.Choose([]string{accept}, offers...)
		if got == coding.Identity {
			return
		}
		if !slices.Contains(offers, got) {
			t.Fatalf("%q gets %q, which nobody has offered", accept, got)
		}
		lower := strings.ToLower(accept)
		if !strings.Contains(lower, got) && !strings.Contains(lower, "*") {
			t.Errorf("%q gets %q, which it does not name", accept, got)
		}
		// A header may be cut into lines at its commas.
		if again := coding.Choose(strings.Split(accept, ","), offers...); again != got {
			t.Errorf("%q gets %q, in several lines %q", accept, got, again)
		}
	})
}
