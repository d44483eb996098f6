package worker

import (
	"bytes"
	"strings"
	"testing"
)

func v2(command, family byte, body string) string {
	return string(proxyV2) + string([]byte{0x20 | command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

func TestReadProxy(t *testing.T) {
	for name, tc := range map[string]struct{ header, want string }{
		"v1, IPv4":            {"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n", "192.0.2.1:4711"},
		"v1, IPv6":            {"PROXY TCP6 2001:db8::1 2001:db8::2 4711 80\r\n", "[2001:db8::1]:4711"},
		"v1, unknown":         {"PROXY UNKNOWN\r\n", "none"},
		"v1, unknown, more":   {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "none"},
		"v1, wrong family":    {"PROXY TCP4 2001:db8::1 2001:db8::2 4711 80\r\n", "error"},
		"v1, no port":         {"PROXY TCP4 192.0.2.1 192.0.2.2 70000 80\r\n", "error"},
		"v1, without CR":      {"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\n", "error"},
		"v1, too long":        {"PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", "error"},
		"v2, IPv4":            {v2(1, 0x11, "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x67\x00\x50"), "192.0.2.1:4711"},
		"v2, with extensions": {v2(1, 0x11, "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x67\x00\x50\x04\x00\x01x"), "192.0.2.1:4711"},
		"v2, IPv6":            {v2(1, 0x21, strings.Repeat("\x20", 32)+"\x12\x67\x00\x50"), "[2020:2020:2020:2020:2020:2020:2020:2020]:4711"},
		"v2, local":           {v2(0, 0, ""), "none"},
		"v2, unix":            {v2(1, 0x31, strings.Repeat("x", 216)), "none"},
		"v2, too short":       {v2(1, 0x11, "\xc0\x00"), "error"},
		"v2, too long":        {v2(1, 0x11, strings.Repeat("x", maxProxyV2+1)), "error"},
		"a request":           {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "error"},
		"nothing":             {"", "error"},
	} {
		rest := bytes.NewBufferString(tc.header + "GET")
		if tc.header == "" {
			rest.Reset()
		}
		addr, err := readProxy(rest)
		got := "none"
		switch {
		case err != nil:
			got = "error"
		case addr != nil:
			got = addr.String()
		}
		if got != tc.want || err == nil && rest.String() != "GET" {
			t.Errorf("%s: %s (%v), and %q is left", name, got, err, rest)
		}
	}
}

func FuzzReadProxy(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n"))
	f.Add([]byte(v2(1, 0x11, "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x67\x00\x50")))
	f.Fuzz(func(t *testing.T, b []byte) {
		addr, err := readProxy(bytes.NewReader(b))
		if err == nil && addr != nil && !addr.AddrPort().IsValid() {
			t.Errorf("%q gave %v", b, addr)
		}
	})
}
