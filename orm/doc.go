// Package orm is Django's query API in both colours, over uptrace/bun: with a ctx
// for async code, without one for sync code.
//
// The invariant: nothing asks the database behind the caller's back. A relation
// that was not loaded is loaded when sync code asks for it, and is an error in
// async code; a row that is marshalled asks for nothing; an iteration holds no
// connection while the caller's code runs. And no value becomes part of a
// statement's text: it is a parameter.
//
//	type Author struct {
//		ID   int64 `bun:",pk,autoincrement"`
//		Name string
//	}
//
//	type Post struct {
//		ID        int64 `bun:",pk,autoincrement"`
//		Title     string
//		Published bool
//		Author    orm.Ref[Author] `bun:"author_id"`
//	}
//
//	db, err := orm.Open(ctx, "var/app.db")
//	posts := orm.For[Post](db)
//	post, err := posts.Related("Author").Get(ctx, 7)             // async code: one query
//	latest, err := posts.Order("-id").Limit(20).Sync(r).List()   // sync code, r its request
package orm
