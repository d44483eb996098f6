// What SyncToAsync makes is async to the compiler: it wants a ctx.
package main

import "github.com/tandem-go/tandem/bridge"

func main() {
	legacy := func(n int) (int, error) { return n, nil }
	var again func(int) (int, error) = bridge.SyncToAsync(legacy) // WANT cannot use bridge.SyncToAsync
	_, _ = again(1)
}
