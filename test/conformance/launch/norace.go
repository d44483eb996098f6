//go:build !race

package launch

var detector []string
