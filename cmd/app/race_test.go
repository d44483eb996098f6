//go:build race

package main

// detector is what the race detector takes of the memory of an idle WebSocket, in bytes,
// above all in its stacks.
const detector = 5 << 10
