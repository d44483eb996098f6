package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/certs/certtest"
)

func TestSettingsOfTLS(t *testing.T) {
	const f = os.DevNull // a file that is there
	tests := map[string]struct {
		env  map[string]string
		want tlsSettings
		err  string
	}{
		"certificate and key": {
			env:  map[string]string{"CERT": f, "KEY": f},
			want: tlsSettings{Cert: f, Key: f},
		},
		"all": {
			env: map[string]string{
				"CERT": f + "," + f, "KEY": f + ", " + f, "OCSP": "," + f,
				"CLIENT_CA": f, "CLIENT_AUTH": "required", "MIN_VERSION": "1.3",
			},
			want: tlsSettings{
				Cert: f + "," + f, Key: f + ", " + f, OCSP: "," + f, ClientCA: f,
				ClientAuth: clientAuth(tls.RequireAndVerifyClientCert), MinVersion: tls.VersionTLS13,
			},
		},
		"optional, and the default": {
			env:  map[string]string{"CERT": f, "KEY": f, "CLIENT_CA": f, "CLIENT_AUTH": "optional", "MIN_VERSION": "1.2"},
			want: tlsSettings{Cert: f, Key: f, ClientCA: f, ClientAuth: clientAuth(tls.VerifyClientCertIfGiven), MinVersion: tls.VersionTLS12},
		},
		"off":                    {env: map[string]string{"CLIENT_AUTH": "off"}},
		"certificate missing":    {env: map[string]string{"CERT": f + ",/nonexistent/cert", "KEY": f + "," + f}, err: "APP_TLS_CERT: stat /nonexistent/cert: no such file or directory"},
		"key missing":            {env: map[string]string{"CERT": f, "KEY": "/nonexistent/key"}, err: "APP_TLS_KEY: stat /nonexistent/key: no such file or directory"},
		"response missing":       {env: map[string]string{"CERT": f, "KEY": f, "OCSP": "/nonexistent/ocsp"}, err: "APP_TLS_OCSP: stat /nonexistent/ocsp: no such file or directory"},
		"CA missing":             {env: map[string]string{"CERT": f, "KEY": f, "CLIENT_CA": "/nonexistent/ca"}, err: "APP_TLS_CLIENT_CA: stat /nonexistent/ca: no such file or directory"},
		"certificate alone":      {env: map[string]string{"CERT": f}, err: "APP_TLS_CERT is set and APP_TLS_KEY is not"},
		"key alone":              {env: map[string]string{"KEY": f}, err: "APP_TLS_KEY is set and APP_TLS_CERT is not"},
		"response alone":         {env: map[string]string{"OCSP": f}, err: "APP_TLS_OCSP is set and APP_TLS_CERT is not"},
		"CA alone":               {env: map[string]string{"CLIENT_CA": f, "CLIENT_AUTH": "optional"}, err: "APP_TLS_CLIENT_CA is set and APP_TLS_CERT is not"},
		"client's way alone":     {env: map[string]string{"CLIENT_AUTH": "optional"}, err: "APP_TLS_CLIENT_AUTH is set and APP_TLS_CERT is not"},
		"version alone":          {env: map[string]string{"MIN_VERSION": "1.2"}, err: "APP_TLS_MIN_VERSION is set and APP_TLS_CERT is not"},
		"fewer keys":             {env: map[string]string{"CERT": f + "," + f, "KEY": f}, err: "APP_TLS_CERT names 2 files and APP_TLS_KEY 1"},
		"a comma too many":       {env: map[string]string{"CERT": f + ",", "KEY": f + "," + f}, err: "APP_TLS_CERT and APP_TLS_KEY have no place for nothing"},
		"fewer responses":        {env: map[string]string{"CERT": f + "," + f, "KEY": f + "," + f, "OCSP": f}, err: "APP_TLS_CERT names 2 files and APP_TLS_OCSP 1"},
		"CA, nobody asked":       {env: map[string]string{"CERT": f, "KEY": f, "CLIENT_CA": f}, err: "APP_TLS_CLIENT_CA is set and APP_TLS_CLIENT_AUTH is off"},
		"asked, no CA":           {env: map[string]string{"CERT": f, "KEY": f, "CLIENT_AUTH": "required"}, err: "APP_TLS_CLIENT_AUTH asks for certificates and APP_TLS_CLIENT_CA is not set"},
		"asked some other way":   {env: map[string]string{"CLIENT_AUTH": "maybe"}, err: `APP_TLS_CLIENT_AUTH: "maybe" is none of off, optional, required`},
		"version that is no one": {env: map[string]string{"MIN_VERSION": "1.1"}, err: `APP_TLS_MIN_VERSION: "1.1" is none of 1.2, 1.3`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			for name, value := range test.env {
				env["APP_TLS_"+name] = value
			}
			setEnvironment(t, env)
			got, err := loadSettings()
			switch {
			case test.err == "" && (err != nil || got.TLS != test.want):
				t.Errorf("got %+v, %v\nwant %+v", got.TLS, err, test.want)
			case test.err != "" && (err == nil || !strings.HasPrefix(err.Error(), test.err) || strings.Contains(err.Error(), "\n")):
				t.Errorf("got %q, want one line that begins with %q", err, test.err)
			}
		})
	}
}

// The app alone speaks https by its settings, and its views see the client's certificate.
func TestTheAppSpeaksTLS(t *testing.T) {
	setEnvironment(t, nil)
	ca, dir := certtest.New(t, "authority of a test"), t.TempDir()
	cert, key := ca.Issue(t, certtest.Leaf{Names: []string{"127.0.0.1"}}).Write(t, dir)
	cas := filepath.Join(dir, "cas.pem")
	certtest.Put(t, cas, ca.PEM())
	addr, cmd := startApp(t, "APP_TLS_CERT="+cert, "APP_TLS_KEY="+key, "APP_TLS_CLIENT_CA="+cas, "APP_TLS_CLIENT_AUTH=required")
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{ca.Issue(t, certtest.Leaf{Names: []string{"client"}}).TLS()}},
	}}
	for path, want := range map[string]string{"/healthz": "", "/modern/": `{"hello":"async"}`} {
		resp, err := client.Get("https://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %s, %q, %v", path, resp.Proto, resp.Status, body, err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A certificate that cannot be served with is one line, and the end.
func TestTheAppDoesNotStartWithABadCertificate(t *testing.T) {
	setEnvironment(t, nil)
	ca, dir := certtest.New(t, "authority of a test"), t.TempDir()
	cert, key := ca.Issue(t, certtest.Leaf{Names: []string{"127.0.0.1"}}).Write(t, dir)
	certtest.Put(t, key, ca.Issue(t, certtest.Leaf{}).KeyPEM(t))
	app := launchApp(t, dir, nil, "APP_TLS_CERT="+cert, "APP_TLS_KEY="+key)
	said, code := app.ends()
	want := fmt.Sprintf("app: worker: TLS: key %s for certificate %s: private key does not match public key", key, cert)
	if lines := strings.Split(strings.TrimSpace(said), "\n"); code != 1 || lines[len(lines)-1] != want {
		t.Errorf("exit %d, said %s", code, said)
	}
}
