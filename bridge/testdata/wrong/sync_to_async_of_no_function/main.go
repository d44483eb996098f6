// Only functions can be adapted.
package main

import "github.com/tandem-go/tandem/bridge"

func main() {
	_ = bridge.SyncToAsync("report") // WANT in call to bridge.SyncToAsync, cannot infer A
}
