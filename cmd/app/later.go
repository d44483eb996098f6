package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// Settings of later versions. A value that would be wrong then is wrong now, a right one is refused: a deployment that
// asks for TLS must not start without it.

var errLater = errors.New("not in this version; unset it")

type laterProxies struct{}

// UnmarshalText implements encoding.TextUnmarshaler.
func (laterProxies) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	for one := range strings.SplitSeq(string(text), ",") {
		one = strings.TrimSpace(one)
		_, addrErr := netip.ParseAddr(one)
		_, prefixErr := netip.ParsePrefix(one)
		if addrErr != nil && prefixErr != nil {
			return fmt.Errorf("%q is neither an IP address nor a network such as 10.0.0.0/8", one)
		}
	}
	return errLater
}

type laterFile struct{}

// UnmarshalText implements encoding.TextUnmarshaler.
func (laterFile) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if _, err := os.Stat(string(text)); err != nil {
		return err
	}
	return errLater
}
