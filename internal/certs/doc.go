// Package certs keeps what a TLS server shows and trusts in step with its files:
// certificates with their keys, stapled OCSP responses, and the authorities that
// clients' certificates come from.
//
// Invariant: what is served was whole and right when it was taken in. A file that
// turns bad changes nothing but the log, and a handshake never waits for a file:
// it reads one pointer.
//
// Smallest use:
//
//	s, err := certs.Open(certs.Options{Pairs: []certs.Pair{{Cert: "tls.crt", Key: "tls.key"}}, Log: log})
//	if err != nil {
//		return err
//	}
//	server.TLSConfig = s.Config(nil)
//	go s.Watch(done)
//
// Files are looked at once a second, not watched: that sees a link that is set
// to another directory, as Kubernetes does it, and files on any file system.
// Certificate and key change one after the other, so what is bad is tried again
// for a while before a word is said about it. No key is ever in an error or a
// record of the log.
package certs
