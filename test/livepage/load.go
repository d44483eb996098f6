// Package livepage looks at the live page in a real Chromium, driven by Playwright.
// It is a test, and what makes the pictures of the documentation.
package livepage

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// mix is what clients ask for, the more often the larger its share.
var mix = []struct {
	path  string
	share float64
}{
	{"/modern/", 20},
	{"/hello/", 18},
	{"/classic/", 8},
	{"/posts/", 8},
	{"/posts/1/", 6},
	{"/echo/", 6},
	{"/busy/?ms=5", 3},
	{"/search/?q=a", 2},
	{"/nothing/", 2},
	{"/posts", 2},
	{"/posts/1/lazy/", .4},
	{"/stream/?n=8&ms=250", .4},
}

// Load asks for all kinds of things until ctx ends: about so many times a second,
// in waves. Who gets no answer asks again.
func Load(ctx context.Context, base string, rate float64) {
	const clients = 24
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	began := time.Now()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				wave := 1 + .5*math.Sin(time.Since(began).Seconds()/7) + .2*math.Sin(time.Since(began).Seconds()/1.9)
				pause := time.NewTimer(time.Duration(rand.ExpFloat64() * clients / (rate * wave) * float64(time.Second)))
				select {
				case <-ctx.Done():
					pause.Stop()
					return
				case <-pause.C:
				}
				get(ctx, client, base+pick())
			}
		})
	}
	all.Wait()
}

func get(ctx context.Context, client *http.Client, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
}

func pick() string {
	var sum float64
	for _, m := range mix {
		sum += m.share
	}
	at := rand.Float64() * sum
	for _, m := range mix {
		if at -= m.share; at < 0 {
			return m.path
		}
	}
	return mix[0].path
}

// Script is the command that runs one of the scripts beside this package, which is
// the directory here. Their modules are installed when they are not there.
func Script(ctx context.Context, here, name string, env ...string) (*exec.Cmd, error) {
	dir, err := filepath.Abs(filepath.Join(here, "testdata"))
	if err != nil {
		return nil, err
	}
	if err := modules(ctx, dir); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "node", filepath.Join(dir, name))
	cmd.Dir, cmd.Env = dir, append(harness.Environ(), env...)
	return cmd, nil
}

// modules installs what package-lock.json says, unless that was done.
func modules(ctx context.Context, dir string) error {
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	done, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err == nil && !done.ModTime().Before(lock.ModTime()) {
		return nil
	}
	cmd := exec.CommandContext(ctx, "npm", "ci")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s", dir, err, out)
	}
	return nil
}
