package arbiter

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// parseSettings overrides s by words like workers=4 or bake=1s.
func parseSettings(s Settings, words []string) (Settings, error) {
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		number := map[string]*int{"workers": &s.Workers, "surge": &s.Surge}[key]
		duration := map[string]*time.Duration{
			"boot": &s.BootTimeout, "timeout": &s.Timeout, "graceful": &s.GracefulTimeout,
			"duck": &s.LameDuck, "bake": &s.Bake, "reload": &s.ReloadTimeout,
		}[key]
		var err error
		switch {
		case number != nil:
			*number, err = strconv.Atoi(value)
		case duration != nil:
			*duration, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("unknown setting %q", word)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

func formatSettings(s Settings) string {
	return fmt.Sprintf("settings workers=%d surge=%d boot=%v timeout=%v graceful=%v duck=%v bake=%v reload=%v",
		s.Workers, s.Surge, s.BootTimeout, s.Timeout, s.GracefulTimeout, s.LameDuck, s.Bake, s.ReloadTimeout)
}

func TestNoSettingLeavesAPhaseUnbounded(t *testing.T) {
	want := Settings{
		Workers: 1, Surge: 1, BootTimeout: 30 * time.Second,
		GracefulTimeout: time.Millisecond, ReloadTimeout: time.Minute,
	}
	for _, s := range []Settings{{}, {Workers: -1, Surge: -1, BootTimeout: -1, Timeout: -1, GracefulTimeout: -1, LameDuck: -1, Bake: -1, ReloadTimeout: -1}} {
		if got := s.normal(); got != want {
			t.Errorf("%+v became %+v, want %+v", s, got, want)
		}
	}
	least := Settings{Workers: 1, Surge: 1, BootTimeout: 1, Timeout: 1, GracefulTimeout: time.Millisecond, LameDuck: 1, Bake: 1, ReloadTimeout: 1}
	good := Settings{2, 3, 4 * time.Second, 5 * time.Second, 6 * time.Second, 7 * time.Second, 8 * time.Second, 9 * time.Second}
	for _, s := range []Settings{least, good} {
		if got := s.normal(); got != s {
			t.Errorf("%+v became %+v", s, got)
		}
	}
	good.ReloadTimeout = 0
	if got := good.normal().ReloadTimeout; got != 42*time.Second {
		t.Errorf("reload timeout %v for a boot timeout of 4s and a bake of 8s", got)
	}
}
