package socket

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	long := "unix:/" + strings.Repeat("a", maxPath-1)
	for in, want := range map[string]string{
		"127.0.0.1:8000":           "tcp://127.0.0.1:8000",
		":8000":                    "tcp://:8000",
		"0.0.0.0:0":                "tcp://0.0.0.0:0",
		"localhost:80":             "tcp://localhost:80",
		"my-host_1.example.:00080": "tcp://my-host_1.example.:80",
		"[::]:65535":               "tcp://[::]:65535",
		"[0:0::1]:80":              "tcp://[::1]:80",
		"[fe80::1%eth0]:80":        "tcp://[fe80::1%eth0]:80",
		"[::ffff:10.0.0.1]:80":     "tcp://10.0.0.1:80",
		"tcp://127.0.0.1:8000":     "tcp://127.0.0.1:8000",
		"unix:/run/a.sock":         "unix:///run/a.sock",
		"unix:///run/a.sock":       "unix:///run/a.sock",
		"unix:@name":               "unix://@name",
		long:                       "unix://" + long[len("unix:"):],
		"fd:3":                     "fd://3",
		"fd://007":                 "fd://7",
	} {
		a, err := Parse(in)
		if err != nil || a.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, a, err, want)
			continue
		}
		if b, err := Parse(a.String()); err != nil || a != b {
			t.Errorf("Parse(%q) = %#v, %v; want %#v again", a, b, err, a)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                                      "empty",
		"8000":                                  "missing port",
		"127.0.0.1":                             "write 127.0.0.1:8000",
		"::1":                                   "write [::1]:8000",
		"[::1]":                                 "write [::1]:8000",
		"fe80::g:1":                             "needs brackets",
		"1:2:3":                                 "needs brackets",
		"[::1:80":                               "missing ']' in address",
		"[localhost]:80":                        "not an IPv6 address",
		"host:":                                 `port ""`,
		"host:http":                             `port "http"`,
		"host:65536":                            "0 to 65535",
		"host:-1":                               "0 to 65535",
		"256.0.0.1:80":                          "neither an IP address nor a host name",
		"a b:80":                                "neither an IP address nor a host name",
		"http://x:80":                           "too many colons",
		"a/b:80":                                "neither an IP address nor a host name",
		"unix:":                                 "absolute",
		"unix:run/a.sock":                       "absolute",
		"unix:@":                                "empty",
		"unix:/run/":                            "directory",
		"unix:/a\x00b":                          "control character",
		"fd:":                                   "number",
		"fd:-1":                                 "number",
		"fd:x":                                  "number",
		"fd:4294967296":                         "number",
		"unix:/" + strings.Repeat("a", maxPath): "107",
		"unix:@" + strings.Repeat("a", maxPath+1): "107",
	} {
		a, err := Parse(in)
		if err == nil {
			t.Errorf("Parse(%q) = %v; want an error", in, a)
			continue
		}
		for _, want := range []string{want, "invalid address ", "give host:port"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Parse(%q): %v; want it to say %q", in, err, want)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"127.0.0.1:8000", ":80", "[::1%lo]:0", "unix:/a", "unix:@a", "unix:////a", "fd:3", "tcp://:1",
		"tcp://tcp://:1", "tcp://unix:/a", "tcp://fd:3", "[::ffff:1.2.3.4%z]:1", "unix://@//", "%:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err != nil {
			if a != (Addr{}) {
				t.Fatalf("Parse(%q) gives both %#v and %v", s, a, err)
			}
			return
		}
		b, err := Parse(a.String())
		if err != nil || a != b {
			t.Fatalf("Parse(%q) = %#v, but its String %q gives %#v, %v", s, a, a, b, err)
		}
	})
}
