package certs

import (
	"crypto/rand"
	"crypto/tls"
	"testing"

	"github.com/tandem-go/tandem/internal/certs/certtest"
)

func ticketKeys(n int) [][32]byte {
	keys := make([][32]byte, n)
	for i := range keys {
		_, _ = rand.Read(keys[i][:])
	}
	return keys
}

// Servers with the same keys resume each other's sessions, and a server without
// any resumes its own.
func TestTicketsResumeWhereTheirKeyIs(t *testing.T) {
	f := newFiles(t, certtest.Leaf{})
	keys := ticketKeys(4) // the oldest last
	server := func(keys [][32]byte) *tls.Config {
		s, _ := open(t, Options{Pairs: []Pair{f.Pair}})
		config := s.Config(nil)
		if len(keys) > 0 {
			s.SetTickets(keys)
		}
		return config
	}
	first, second := server(keys[3:]), server(keys[3:])
	rotated, kept, dropped := server(keys[2:]), server(keys[1:]), server(keys[:3])
	alone := server(nil)
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		for what, test := range map[string]struct {
			made, shown *tls.Config
			resumes     bool
		}{
			"the same":                 {first, first, true},
			"another":                  {first, second, true},
			"after a rotation":         {first, rotated, true},
			"after two":                {first, kept, true},
			"after its key is dropped": {first, dropped, false},
			"newer than what is known": {rotated, first, false},
			"alone":                    {alone, alone, true},
			"alone, of another":        {first, alone, false},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				client := f.client()
				client.MaxVersion, client.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
				if got := connect(t, test.made, client); got.clientErr != nil || got.client.DidResume {
					t.Fatalf("the first handshake: %v, resumed %v", got.clientErr, got.client.DidResume)
				}
				if got := connect(t, test.shown, client); got.clientErr != nil || got.client.DidResume != test.resumes || got.client.Version != version {
					t.Errorf("%v, resumed: %v, want %v", got.clientErr, got.client.DidResume, test.resumes)
				}
			})
		}
	}
}

// The keys stay when a certificate changes, and those from before are wiped.
func TestTicketsOutliveACertificate(t *testing.T) {
	f := newFiles(t, certtest.Leaf{})
	s, _ := open(t, Options{Pairs: []Pair{f.Pair}})
	config, client := s.Config(nil), f.client()
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	keys := ticketKeys(2)
	s.SetTickets(keys)
	held := s.tickets
	connect(t, config, client)
	s.mu.Lock()
	s.build()
	s.mu.Unlock()
	if got := connect(t, config, client); !got.client.DidResume {
		t.Error("not resumed:", got.clientErr)
	}
	s.SetTickets(keys[:1])
	if held[0] != [32]byte{} || held[1] != [32]byte{} || keys[0] == [32]byte{} {
		t.Error("not the store's own copy was wiped")
	}
}
