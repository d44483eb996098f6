// Command server is what the public HTTP suites are run against: an application
// of the public packages alone, on one port.
//
//	server                     HTTP/1.1, and HTTP/2 by prior knowledge, on 127.0.0.1:8000
//	server -tls -addr :8443    HTTP/1.1 and HTTP/2 over TLS, with a certificate made at start
//	server -plain              the same application on net/http alone, to compare with
//
// Every path and method answers with what arrived, as JSON, but for those that a
// suite needs besides: see routes.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/tandem-go/tandem/worker"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8000", "where to listen; port 0 takes a free one, which the log names")
	encrypted := flag.Bool("tls", false, "speak TLS")
	plain := flag.Bool("plain", false, "serve with net/http alone")
	flag.Parse()
	if err := serve(*addr, *encrypted, *plain); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func serve(addr string, encrypted, plain bool) error {
	var config *tls.Config
	if encrypted {
		certificate, err := selfSigned()
		if err != nil {
			return fmt.Errorf("make a certificate: %w", err)
		}
		config = &tls.Config{Certificates: []tls.Certificate{certificate}}
	}
	if !plain {
		return worker.Run(context.Background(), application(), worker.Addr(addr), worker.ConfigureServer(func(s *http.Server) {
			s.TLSConfig = config
		}))
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	slog.Info("serving", "addr", "tcp://"+l.Addr().String()) // as a worker says it
	protocols := new(http.Protocols)                         // a worker's own
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: application(), Protocols: protocols, TLSConfig: config}
	if encrypted {
		return s.ServeTLS(l, "", "")
	}
	return s.Serve(l)
}

// selfSigned makes a certificate that a client must not check.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
