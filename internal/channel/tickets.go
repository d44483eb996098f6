package channel

import (
	"errors"
	"fmt"
)

// TicketKeys are keys of TLS session tickets, 32 bytes each, at most 16. The first
// seals new ones, each opens those that it has sealed. They are secret: printed,
// they are a number.
type TicketKeys [][]byte

// String says how many there are.
func (k TicketKeys) String() string { return fmt.Sprintf("[%d keys]", len(k)) }

// GoString is what %#v prints.
func (k TicketKeys) GoString() string { return k.String() }

// Wipe overwrites them.
func (k TicketKeys) Wipe() {
	for _, key := range k {
		clear(key)
	}
}

func (k TicketKeys) check(wanted bool) error {
	if wanted && len(k) == 0 {
		return errors.New("tickets without a key")
	}
	if len(k) > maxTicketKeys {
		return fmt.Errorf("%d keys of tickets, there may be %d", len(k), maxTicketKeys)
	}
	for _, key := range k {
		if len(key) != ticketKeySize {
			return fmt.Errorf("a key of tickets has %d bytes and not %d", len(key), ticketKeySize)
		}
	}
	return nil
}
