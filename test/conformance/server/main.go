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
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/tandem-go/tandem/worker"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8000", "where to listen; port 0 takes a free one, which the log names")
	encrypted := flag.Bool("tls", false, "speak TLS")
	plain := flag.Bool("plain", false, "serve with net/http alone")
	var limits worker.Limits // net/http alone has none of them
	flag.IntVar(&limits.RequestLine, "request-line", 0, "limit on a request line, in bytes; 0 is the worker's default")
	flag.IntVar(&limits.HeaderLine, "header-line", 0, "limit on a line of the header, in bytes; 0 is the worker's default")
	flag.IntVar(&limits.HeaderFields, "headers", 0, "limit on the lines of the header; 0 is the worker's default")
	flag.Parse()
	if err := serve(*addr, *encrypted, *plain, limits); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

func serve(addr string, encrypted, plain bool, limits worker.Limits) error {
	var pair worker.CertificateFiles
	if encrypted {
		dir, err := os.MkdirTemp("", "conformance")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if pair, err = selfSigned(dir); err != nil {
			return fmt.Errorf("make a certificate in %s: %w", dir, err)
		}
	}
	if plain {
		return servePlain(addr, pair)
	}
	options := []worker.Option{worker.Addr(addr), worker.Limit(limits)}
	if encrypted {
		options = append(options, worker.TLS(worker.Certificates{Pairs: []worker.CertificateFiles{pair}}))
	}
	return worker.Run(context.Background(), application(), options...)
}

// servePlain serves until it fails. A pair without names is none.
func servePlain(addr string, pair worker.CertificateFiles) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	slog.Info("serving", "addr", "tcp://"+l.Addr().String()) // as a worker says it
	s := &http.Server{Handler: application(), Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true) // a worker's own
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	if pair.Cert != "" {
		return s.ServeTLS(l, pair.Cert, pair.Key)
	}
	return s.Serve(l)
}

// selfSigned makes a certificate that a client must not check.
func selfSigned(dir string) (worker.CertificateFiles, error) {
	pair := worker.CertificateFiles{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return pair, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return pair, err
	}
	return pair, errors.Join(
		os.WriteFile(pair.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(pair.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
