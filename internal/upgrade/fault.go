//go:build !faults

package upgrade

// fault does nothing but in a build for tests, see faults.go.
func fault(string) {}

func faultError(string) error { return nil }

// Fault is for the other packages.
func Fault(string) error { return nil }
