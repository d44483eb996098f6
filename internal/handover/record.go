package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Version is the version of the record. Fields that a receiver does not know
// are skipped; what it must not skip raises the version.
const Version = 1

// Record says what the receiver must know of a connection that its descriptor
// does not tell.
type Record struct {
	Version  int           `json:"v"`
	Kind     uint32        `json:"kind"`               // a fleet.Kind
	Door     string        `json:"door"`               // the listener that it was accepted on, network://address
	Requests uint64        `json:"requests,omitempty"` // answered on it so far, by whatever worker
	Idle     time.Duration `json:"idle,omitempty"`     // since the last answer, or since it was accepted

	// Remote is the client's address where that is not the descriptor's peer, as
	// "tcp 192.0.2.1:4711": somebody in between has told it.
	Remote string `json:"remote,omitempty"`
}

const maxRecord = 1 << 10

// maxIdle is the longest time that is told, and believed. A clock that leaps must
// not cost a connection.
const maxIdle = 24 * time.Hour

func (r Record) encode() ([]byte, error) {
	r.Version = Version
	r.Idle = min(max(0, r.Idle), maxIdle)
	body, err := json.Marshal(r)
	if err == nil && len(body) > maxRecord {
		err = fmt.Errorf("a record of %d bytes; it has at most %d", len(body), maxRecord)
	}
	return body, err
}

func decode(body []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(body, &r); err != nil {
		return Record{}, err
	}
	if r.Version != Version {
		return Record{}, fmt.Errorf("it has version %d, this program reads version %d", r.Version, Version)
	}
	r.Idle = min(max(0, r.Idle), maxIdle)
	if r.Remote != "" {
		if _, err := ParseAddr(r.Remote); err != nil {
			return Record{}, err
		}
	}
	return r, nil
}

// FormatAddr is how a record writes an address.
func FormatAddr(a net.Addr) string { return a.Network() + " " + a.String() }

// ParseAddr reads what FormatAddr wrote. Only addresses of TCP are told.
func ParseAddr(s string) (net.Addr, error) {
	network, address, _ := strings.Cut(s, " ")
	if network != "tcp" {
		return nil, errors.New("a remote address that is not one of TCP")
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("a remote address: %w", err)
	}
	return net.TCPAddrFromAddrPort(ap), nil
}
