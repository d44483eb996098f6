package served

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tandem-go/tandem/worker"
)

// What makes a process of the test binary a worker, and the file of its certificate.
const (
	modeVariable = "TANDEM_TEST_SERVED"
	certVariable = "TANDEM_TEST_CERT"
)

// serve is the worker. It says on stdout when it serves.
func serve(mode Mode) error {
	// A program that is not started by a shim learns its own number only now.
	if err := os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())); err != nil {
		return err
	}
	opts := []worker.Option{worker.Logger(slog.New(slog.NewTextHandler(os.Stderr, nil)))}
	if mode == TLS {
		file := os.Getenv(certVariable)
		cert, err := tls.LoadX509KeyPair(file, file)
		if err != nil {
			return fmt.Errorf("load the certificate: %w", err)
		}
		opts = append(opts, worker.ConfigureServer(func(s *http.Server) {
			s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		}))
	}
	return worker.Run(context.Background(), App(), append(opts, worker.ConfigureServer(func(s *http.Server) {
		if mode != TLS {
			s.Protocols = new(http.Protocols)
			s.Protocols.SetHTTP1(true)
			s.Protocols.SetUnencryptedHTTP2(true)
		}
		var once sync.Once
		s.BaseContext = func(net.Listener) context.Context {
			once.Do(func() { _, _ = io.WriteString(os.Stdout, "serving\n") })
			return context.Background()
		}
	}))...)
}

// selfSigned makes a certificate for localhost in the file, with its key.
func selfSigned(file string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		// OpenSSL takes no issuer without a name.
		Subject:      pkix.Name{CommonName: "localhost"},
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(both)
	return roots, os.WriteFile(file, both, 0o600)
}
