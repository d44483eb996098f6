package worker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/netip"
	"strings"
)

// The PROXY protocol's header, in both versions: haproxy.org, proxy-protocol.txt.

var (
	proxyV2    = []byte("\r\n\r\n\x00\r\nQUIT\n")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// readProxy reads one header. No address means that the peer speaks for itself, or
// does not know for whom.
func readProxy(r io.Reader) (*net.TCPAddr, error) {
	head := make([]byte, len(proxyV2), maxProxyV1)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(head, proxyV2):
		return readProxyV2(r)
	case bytes.HasPrefix(head, []byte("PROXY ")):
		// Byte by byte: what follows the line is not ours.
		for next := make([]byte, 1); head[len(head)-1] != '\n'; head = append(head, next[0]) {
			if len(head) == maxProxyV1 {
				return nil, fmt.Errorf("a line of more than %d bytes", maxProxyV1)
			}
			if _, err := io.ReadFull(r, next); err != nil {
				return nil, fmt.Errorf("in the middle of the line: %w", unexpected(err))
			}
		}
		return parseProxyV1(string(head))
	}
	return nil, errors.New("the connection begins without one")
}

// unexpected is the end of a header that has begun.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseProxyV1 takes nothing but what the specification has: both addresses of the
// family that is said, numbers without leading zeros, one space between, CR LF.
func parseProxyV1(line string) (*net.TCPAddr, error) {
	text, ok := strings.CutSuffix(line, "\r\n")
	if rest, unknown := strings.CutPrefix(text, "PROXY UNKNOWN"); ok && unknown && (rest == "" || rest[0] == ' ') {
		return nil, nil
	}
	fields := strings.Split(text, " ")
	if ok && len(fields) == 6 && (fields[1] == "TCP4" || fields[1] == "TCP6") {
		source, ok := proxyV1End(fields[1], fields[2], fields[4])
		if _, also := proxyV1End(fields[1], fields[3], fields[5]); ok && also {
			return net.TCPAddrFromAddrPort(source), nil
		}
	}
	return nil, fmt.Errorf("%q is not one of version 1", line)
}

// proxyV1End reads one end of the connection.
func proxyV1End(family, address, port string) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is4() != (family == "TCP4") || ip.Zone() != "" {
		return netip.AddrPort{}, false
	}
	end, err := netip.ParseAddrPort("0.0.0.0:" + port)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip, end.Port()), true
}

// What is told apart in version 2.
const (
	commandLocal, commandProxy                    = 0, 1
	familyNone, familyInet, familyInet6, familyUx = 0, 1, 2, 3
	transportNone, transportStream, transportUDP  = 0, 1, 2

	extensionCRC32C = 3
)

// readProxyV2 reads what follows the signature.
func readProxyV2(r io.Reader) (*net.TCPAddr, error) {
	header := append(make([]byte, 0, 64), proxyV2...)
	header = header[:len(header)+4]
	if _, err := io.ReadFull(r, header[len(proxyV2):]); err != nil {
		return nil, fmt.Errorf("in the middle of its beginning: %w", unexpected(err))
	}
	version, command := header[12]>>4, header[12]&15
	family, transport := header[13]>>4, header[13]&15
	length := binary.BigEndian.Uint16(header[14:])
	switch {
	case version != 2 || length > maxProxyV2:
		return nil, fmt.Errorf("version %d with %d bytes", version, length)
	case command > commandProxy:
		return nil, fmt.Errorf("command %d", command)
	case command == commandProxy && (family > familyUx || transport > transportUDP):
		return nil, fmt.Errorf("family %d over transport %d", family, transport)
	}
	header = append(header, make([]byte, length)...)
	body := header[len(header)-int(length):]
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("in the middle of its %d bytes: %w", length, unexpected(err))
	}
	if command == commandLocal || family == familyNone || transport == transportNone {
		return nil, nil // the proxy's own, a health check, or something unknown: whatever else it says does not count
	}
	size := [...]int{familyInet: 4, familyInet6: 16, familyUx: 108}[family]
	addresses := 2 * size
	if family != familyUx {
		addresses += 4 // two ports
	}
	if len(body) < addresses {
		return nil, fmt.Errorf("%d bytes are too few for its addresses", len(body))
	}
	if err := checkProxyV2(header, body[addresses:]); err != nil {
		return nil, err
	}
	if transport != transportStream || family == familyUx {
		return nil, nil // without an address for us
	}
	ip, _ := netip.AddrFromSlice(body[:size])
	port := binary.BigEndian.Uint16(body[2*size:])
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, port)), nil
}

// checkProxyV2 follows the extensions, which are the end of the header, and compares
// the checksum if there is one. It may change the header.
func checkProxyV2(header, extensions []byte) error {
	for len(extensions) > 0 {
		if len(extensions) < 3 || len(extensions)-3 < int(binary.BigEndian.Uint16(extensions[1:])) {
			return errors.New("an extension goes beyond its end")
		}
		kind, value := extensions[0], extensions[3:3+binary.BigEndian.Uint16(extensions[1:])]
		extensions = extensions[3+len(value):]
		if kind != extensionCRC32C {
			continue
		}
		if len(value) != crc32.Size {
			return fmt.Errorf("a checksum of %d bytes", len(value))
		}
		told := binary.BigEndian.Uint32(value)
		clear(value)
		if sum := crc32.Checksum(header, castagnoli); sum != told {
			return fmt.Errorf("its checksum is %08x, and it says %08x", sum, told)
		}
		binary.BigEndian.PutUint32(value, told)
	}
	return nil
}
