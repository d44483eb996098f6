package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// Settings of later versions. A value that would be wrong then is wrong now, a right one is refused: a deployment that
// asks for TLS or a database must not start without it.

var errLater = errors.New("not in this version; unset it")

type laterDatabase struct{}

// UnmarshalText implements encoding.TextUnmarshaler. The value may hold a password: it is never printed.
func (laterDatabase) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "" && u.Scheme != "sqlite" && u.Scheme != "file" && u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("neither a postgres:// URL nor a SQLite file; and no database is used in this version: unset it")
	}
	return errLater
}

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
