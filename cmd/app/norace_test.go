//go:build !race

package main

const detector = 0
