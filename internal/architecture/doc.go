// Package architecture holds the shape of the house by a test: imports run one
// way, the public packages know nothing of the supervisor, and the arbiter knows
// nothing of the operating system.
//
// Invariant: what may import what is written down in one table, in
// imports_test.go, and nowhere else.
package architecture
