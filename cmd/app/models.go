package main

import (
	"time"

	"github.com/tandem-go/tandem/orm"
)

// The rows of the blog, as the migrations make their tables.

// Author writes posts.
type Author struct {
	ID    int64 `bun:",pk,autoincrement"`
	Name  string
	Email *string // unique
}

// Post is what the blog is made of.
type Post struct {
	ID        int64 `bun:",pk,autoincrement"`
	Title     string
	Body      string
	Published bool
	CreatedAt time.Time       `bun:",nullzero"`            // the database's clock has it: one for all workers
	Author    orm.Ref[Author] `bun:"author_id" orm:"null"` // NULL: nobody in particular
	Tags      orm.Refs[Tag]   `bun:"-" orm:"m2m:post_tags"`
}

// Tag is a word that posts are found by.
type Tag struct {
	ID   int64  `bun:",pk,autoincrement"`
	Name string // unique
}
