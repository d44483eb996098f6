// Package bun stands for the one of uptrace.
package bun

import "context"

type DB struct{}

type Tx struct{}

func (Tx) Exec(context.Context, string) error { return nil }

type IDB interface {
	Exec(context.Context, string) error
}
