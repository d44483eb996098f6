package main

import (
	"cmp"
	"fmt"
	"net"
	"time"

	"github.com/tandem-go/tandem/auth"
)

// settings is the whole configuration: environment variables, so that it is the supervisor's env file that has them.
type settings struct {
	Addr        string        // SHOP_ADDR: where to listen when run alone; the supervisor's --bind otherwise
	DatabaseURL string        // SHOP_DATABASE_URL: a SQLite file or postgres://…; without it, shop.db with demonstration data
	SessionKey  string        // SHOP_SESSION_KEY: `openssl rand -base64 32`; without it, one that is kept in the database
	Hold        time.Duration // SHOP_HOLD: how long a placed order waits for its payment
	Passwords   auth.Cost     // what verifying a password costs: the default; tests take less
	Develop     bool          // SHOP_DEVELOP: on, cookies go over plain HTTP, answers have a Server-Timing, repeated queries are reported
}

// demoDatabase is the database where none is set.
const demoDatabase = "shop.db"

// loadSettings reads the environment. Its errors name the variable and never its value, which may be secret.
func loadSettings(getenv func(string) string) (s settings, err error) {
	s = settings{
		Addr:        cmp.Or(getenv("SHOP_ADDR"), "127.0.0.1:8000"),
		DatabaseURL: getenv("SHOP_DATABASE_URL"),
		SessionKey:  getenv("SHOP_SESSION_KEY"),
	}
	if _, _, err := net.SplitHostPort(s.Addr); err != nil {
		return s, fmt.Errorf("SHOP_ADDR is no address; give host:port, such as 127.0.0.1:8000")
	}
	s.Hold, err = time.ParseDuration(cmp.Or(getenv("SHOP_HOLD"), "15m"))
	if err != nil || s.Hold < time.Second {
		return s, fmt.Errorf("SHOP_HOLD is no time of a second or more; give one such as 15m")
	}
	switch getenv("SHOP_DEVELOP") {
	case "":
		s.Develop = s.DatabaseURL == "" // what has no database of its own is being tried out
	case "on":
		s.Develop = true
	case "off":
	default:
		return s, fmt.Errorf("SHOP_DEVELOP is neither on nor off")
	}
	return s, nil
}
