package admin

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// asked is the answer to a request for /live or / with another host or header.
func asked(t *testing.T, s *served, path, host string, header http.Header, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Cross-Origin-Resource-Policy"); got != "same-origin" {
		t.Errorf("%s: Cross-Origin-Resource-Policy: %q", path, got)
	}
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(said)
}

// A page of another site whose name leads here reads nothing, and takes no stream.
func TestOtherSites(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	port := s.Addr().Address[strings.LastIndex(s.Addr().Address, ":"):]
	for host, want := range map[string]int{
		"127.0.0.1" + port: http.StatusOK, "127.0.0.1": http.StatusOK, "localhost" + port: http.StatusOK, "[::1]" + port: http.StatusOK, "[::1]": http.StatusOK,
		"attacker.example" + port: http.StatusMisdirectedRequest, "attacker.example": http.StatusMisdirectedRequest, "localhost.attacker.example": http.StatusMisdirectedRequest,
	} {
		for _, path := range []string{"/livez", "/"} {
			if got, said := asked(t, s, path, host, nil, ""); got != want {
				t.Errorf("%s of %s: %d, want %d: %.200s", path, host, got, want, said)
			}
		}
	}
	if got, said := asked(t, s, "/live", "", http.Header{"Sec-Fetch-Site": {"cross-site"}}, ""); got != http.StatusForbidden {
		t.Errorf("/live for another site's page: %d: %s", got, said)
	}
	if got, said := asked(t, s, "/live", "", nil, "x"); got != http.StatusBadRequest {
		t.Errorf("/live with a body: %d: %s", got, said)
	}
}

// Who listens for others is reached under whatever name they have for it.
func TestOtherNamesOfTheMachine(t *testing.T) {
	s := serve(t, "0.0.0.0:0")
	s.url = "http://127.0.0.1" + s.Addr().Address[strings.LastIndex(s.Addr().Address, ":"):]
	if got, said := asked(t, s, "/livez", "web-1.internal:9000", nil, ""); got != http.StatusOK {
		t.Errorf("%d: %s", got, said)
	}
}
