// Package load holds the promise that matters most to account: nothing that was
// accepted is lost or answered twice, whatever is done to the supervisor
// meanwhile, and nobody honest is cut or slowed down, whoever else is there. It
// drives the built binaries from outside with the strict client; `make load`
// builds and runs it, TANDEM_BIN names another directory of binaries.
package load
