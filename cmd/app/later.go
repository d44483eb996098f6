package main

import (
	"errors"
	"os"
)

// Settings of later versions. A value that would be wrong then is wrong now, a right one is refused: a deployment that
// asks for TLS must not start without it.

var errLater = errors.New("not in this version; unset it")

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
