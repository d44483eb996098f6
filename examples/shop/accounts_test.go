package main

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
)

func TestSigningUp(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.as(t, "")
		const cleo = `{"name":"cleo","password":"cleo's demo password"}`
		c.ask("POST", "/login/", cleo).is(401)
		c.ask("POST", "/accounts/", cleo).is(201, `{"id":3,"name":"cleo","staff":false}`)
		c.ask("GET", "/orders/", "").is(401)
		c.ask("POST", "/login/", cleo).is(200, `{"id":3,"name":"cleo","staff":false}`)
		c.ask("GET", "/orders/", "").is(200, `{"items":[],"page":1,"pages":1,"count":0}`)
		c.ask("POST", "/accounts/", cleo).refuses("name")
		c.ask("POST", "/accounts/", `{"name":"","password":"short"}`).refuses("name", "password")
		c.ask("POST", "/login/", strings.Replace(cleo, "demo", "other", 1)).is(401)
	})
}

// A promotion counts from the next request on: permissions are looked up with the account, and are not in the session.
func TestPromotion(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		bo := s.as(t, "bo")
		bo.ask("GET", "/report/", "").is(403)
		scope := bridge.NewRoot(t.Context(), s.app.Limits())
		defer scope.Close()
		if err := s.promote(scope, "bo"); err != nil {
			t.Fatal(err)
		}
		bo.ask("GET", "/report/", "").is(200)
		if err := s.promote(scope, "nobody"); err == nil || !strings.Contains(err.Error(), `promote "nobody": no such row`) {
			t.Error(err)
		}
	})
}

func TestAnotherSiteCannotUseTheSession(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		bo := s.as(t, "bo")
		bo.header = map[string]string{"Sec-Fetch-Site": "cross-site"}
		bo.ask("POST", "/orders/", buy("bell", 1)).is(403)
	})
}

func TestHealth(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.as(t, "")
		c.ask("GET", "/healthz", "").is(200, "ok\n")
		if err := s.db.Close(); err != nil {
			t.Fatal(err)
		}
		c.ask("GET", "/healthz", "").is(503)
	})
}
