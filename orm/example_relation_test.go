package orm_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tandem-go/tandem/orm"
)

// blog is a database with the tests' authors, posts and tags, for an example.
func blog(ctx context.Context) (db *orm.DB, done func()) {
	return exampleDB(ctx, fmt.Sprintf(schema+rows, "INTEGER PRIMARY KEY AUTOINCREMENT", "timestamp", "text"))
}

func ExampleQuery_Related() {
	ctx := context.Background()
	db, done := blog(ctx)
	defer done()

	// Authors are joined; tags are a second statement, for all posts.
	posts, err := orm.For[Post](db).Related("Author", "Tags").Order("id").Limit(2).List(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range posts {
		author, _ := p.Author.Get()
		tags, _ := p.Tags.All()
		fmt.Println(p.Title, "by", author.Name, "has", len(tags), "tags")
	}
	_, err = posts[0].Comments.All()
	fmt.Println(err)
	// Output:
	// Engines by Ada has 2 tags
	// Notes by Ada has 1 tags
	// orm: Post.Comments was not loaded, and its row came from async code: sync-only, and used from async code: add Related("Comments") to the query of Post, or call Load(ctx)
}

func ExampleRef_Load() {
	ctx := context.Background()
	db, done := blog(ctx)
	defer done()

	p, err := orm.For[Post](db).Get(ctx, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Author.PK(), p.Author.Loaded())
	author, err := p.Author.Load(ctx)
	fmt.Println(author.Name, err)
	// Output:
	// 1 false
	// Ada <nil>
}

func ExampleRefs_Set() {
	ctx := context.Background()
	db, done := blog(ctx)
	defer done()

	p, err := orm.For[Post](db).Related("Tags").Get(ctx, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Tags.Add(ctx, &Tag{ID: 3, Name: "unused"}))
	fmt.Println(p.Tags.Query().Filter("name <> ?", "go").Count(ctx))
	fmt.Println(p.Tags.Set(ctx, &Tag{ID: 3, Name: "unused"}))
	text, err := json.Marshal(p.Tags)
	fmt.Println(string(text), err)
	// Output:
	// <nil>
	// 2 <nil>
	// <nil>
	// [{"ID":3,"Name":"unused","Posts":null}] <nil>
}
