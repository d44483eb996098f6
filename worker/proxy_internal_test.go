package worker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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
		"v1, UDP":             {"PROXY UDP4 192.0.2.1 192.0.2.2 4711 80\r\n", "error"},
		"v1, unknown and CR":  {"PROXY UNKNOWNX\r\n", "error"},
		"v1, CR inside":       {"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r \r\n", "error"},
		"v1, two spaces":      {"PROXY TCP4  192.0.2.1 192.0.2.2 4711 80\r\n", "error"},
		"v1, a port of 0":     {"PROXY TCP4 192.0.2.1 192.0.2.2 0 65535\r\n", "192.0.2.1:0"},
		"v1, octal port":      {"PROXY TCP4 192.0.2.1 192.0.2.2 04711 80\r\n", "error"},
		"v1, octal address":   {"PROXY TCP4 192.0.02.1 192.0.2.2 4711 80\r\n", "error"},
		"v1, bad destination": {"PROXY TCP4 192.0.2.1 nowhere 4711 80\r\n", "error"},
		"v1, other family":    {"PROXY TCP4 192.0.2.1 2001:db8::2 4711 80\r\n", "error"},
		"v1, bad port there":  {"PROXY TCP4 192.0.2.1 192.0.2.2 4711 x\r\n", "error"},
		"v1, a zone":          {"PROXY TCP6 fe80::1%lo fe80::2 4711 80\r\n", "error"},
		"v1, lower case":      {"proxy tcp4 192.0.2.1 192.0.2.2 4711 80\r\n", "error"},
		"v1, as long as can":  {"PROXY UNKNOWN " + strings.Repeat("x", 107-16) + "\r\n", "none"},
		"v1, one too long":    {"PROXY UNKNOWN " + strings.Repeat("x", 107-15) + "\r\n", "error"},
		"v2, a checksum":      {summed("\x04\x00\x01x", ""), "192.0.2.1:4711"},
		"v2, it is not last":  {summed("", "\x20\x00\x05\x01\x00\x00\x00\x00"), "192.0.2.1:4711"},
		"v2, a wrong one":     {strings.Replace(summed("", ""), "\x12\x67", "\x12\x68", 1), "error"},
		"v2, a short one":     {v2(1, 0x11, ends4+"\x03\x00\x01x"), "error"},
		"v2, cut extension":   {v2(1, 0x11, ends4+"\x04\x00\x02x"), "error"},
		"v2, half extension":  {v2(1, 0x11, ends4+"\x04\x00"), "error"},
		"v2, local with some": {v2(0, 0xff, "whatever"), "none"},
		"v2, unspecified":     {v2(1, 0, "whatever"), "none"},
		"v2, no transport":    {v2(1, 0x10, ""), "none"},
		"v2, UDP":             {v2(1, 0x12, ends4), "none"},
		"v2, short unix":      {v2(1, 0x31, strings.Repeat("x", 215)), "error"},
		"v2, no such family":  {v2(1, 0x41, ends4), "error"},
		"v2, no such way":     {v2(1, 0x13, ends4), "error"},
		"v2, no such command": {v2(2, 0x11, ends4), "error"},
		"v2, version 1":       {strings.Replace(v2(1, 0x11, ends4), "\x21\x11", "\x11\x11", 1), "error"},
		"v2, cut":             {v2(1, 0x11, ends4)[:20], "cut"},
		"v1, cut":             {"PROXY TCP4 192.0.2.1 19", "cut"},
		"v2, too short":       {v2(1, 0x11, "\xc0\x00"), "error"},
		"v2, too long":        {v2(1, 0x11, strings.Repeat("x", maxProxyV2+1)), "error"},
		"a request":           {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "error"},
		"nothing":             {"", "error"},
	} {
		rest := bytes.NewBufferString(tc.header + "GET")
		if tc.header == "" || tc.want == "cut" {
			rest.Truncate(len(tc.header))
		}
		addr, err := readProxy(rest)
		got := "none"
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF) && tc.header != "":
			got = "cut"
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

// ends4 are two ends of a connection over IPv4.
const ends4 = "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x67\x00\x50"

// summed is a header with a checksum among its extensions.
func summed(before, after string) string {
	header := []byte(v2(1, 0x11, ends4+before+"\x03\x00\x04\x00\x00\x00\x00"+after))
	sum := crc32.Checksum(header, crc32.MakeTable(crc32.Castagnoli))
	binary.BigEndian.PutUint32(header[len(header)-len(after)-4:], sum)
	return string(header)
}

// A header may come in as many packets as it likes, within its time.
func TestAProxyHeaderHasItsTime(t *testing.T) {
	for name, tc := range map[string]struct {
		every time.Duration // a byte comes
		want  string
	}{
		"in pieces": {proxyTimeout / 100, "192.0.2.1:4711"},
		"too slow":  {proxyTimeout / 10, "pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mine, theirs := net.Pipe()
				c := &conn{Conn: mine, proxied: true, server: &server{logger: slog.New(slog.DiscardHandler), mover: newMover()}}
				c.served.Store(true)
				var client sync.WaitGroup
				client.Go(func() {
					for _, b := range []byte("PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n") {
						time.Sleep(tc.every) // of the bubble: the client's slowness, not a wait of the test's
						if _, err := theirs.Write([]byte{b}); err != nil {
							return
						}
					}
					_, _ = theirs.Write([]byte("GET"))
				})
				begin, b := time.Now(), make([]byte, 8)
				n, err := c.Read(b)
				if got := c.RemoteAddr().String(); got != tc.want {
					t.Errorf("the client is %s (%v)", got, err)
				}
				if tc.want == "pipe" {
					if err != io.EOF || !errors.Is(c.bad, os.ErrDeadlineExceeded) || time.Since(begin) != proxyTimeout {
						t.Errorf("it ended with %v after %v, because %v", err, time.Since(begin), c.bad)
					}
				} else if string(b[:n]) != "GET" || err != nil {
					t.Errorf("then came %q, %v", b[:n], err)
				}
				_, _ = mine.Close(), theirs.Close()
				client.Wait()
			})
		})
	}
}

// FuzzReadProxy: of what follows a header not a byte is read, and an address is
// one that was told.
func FuzzReadProxy(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n", "PROXY TCP6 ::1 ::2 0 65535\r\nGET", "PROXY UNKNOWN x\r\n\r\n", "PROXY TCP4 1.2.3.4\n",
		v2(1, 0x11, ends4) + "GET", v2(1, 0x21, strings.Repeat("\x20", 36)), v2(0, 0, ""), v2(1, 0x31, strings.Repeat("x", 216)),
		summed("\x04\x00\x01x", "\x20\x00\x05\x01\x00\x00\x00\x00"), v2(1, 0x11, ends4+"\x03\xff\xff"),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		addr, err := readProxy(r)
		if err != nil {
			return
		}
		header := string(b[:len(b)-r.Len()])
		switch {
		case strings.HasPrefix(header, "PROXY "):
			if !strings.HasSuffix(header, "\r\n") || strings.Count(header, "\n") != 1 || len(header) > maxProxyV1 {
				t.Errorf("%q was taken", header)
			}
			if addr != nil {
				fields := strings.Fields(header)
				if again := netip.MustParseAddr(fields[2]); addr.AddrPort().Addr().Unmap() != again.Unmap() || strconv.Itoa(addr.Port) != fields[4] {
					t.Errorf("%q gave %v", header, addr)
				}
			}
		case len(header) != 16+int(binary.BigEndian.Uint16(b[14:])) || b[12]>>4 != 2:
			t.Errorf("%q was taken", header)
		case addr != nil && int(binary.BigEndian.Uint16(b[16+2*len(addressIn(b)):])) != addr.Port:
			t.Errorf("%q gave %v", header, addr)
		}
	})
}

// addressIn is the source's in a header of version 2.
func addressIn(b []byte) []byte {
	if b[13]>>4 == familyInet {
		return b[16:20]
	}
	return b[16:32]
}
