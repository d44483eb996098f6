package main

import (
	"context"
	"net/http"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

// blog is the views of the posts, and the queries they begin with: values, made once, that ask nothing until they are used.
type blog struct {
	db        *orm.DB
	posts     orm.Query[Post]
	published orm.Query[Post]
	authors   orm.Query[Author]
	tags      orm.Query[Tag]
}

// newBlog makes the views of a database; of none for who only wants to know which they are.
func newBlog(db *orm.DB) blog {
	if db == nil {
		return blog{}
	}
	posts := orm.For[Post](db)
	return blog{
		db: db, posts: posts, authors: orm.For[Author](db), tags: orm.For[Tag](db),
		published: posts.Filter("published").Only("title").Order("-created_at", "-id"),
	}
}

func (b blog) exhibits() []exhibit {
	return []exhibit{
		{
			route: view.Path("GET /posts/{$}", view.JSONView(b.list)), link: "/posts/",
			about: "The published posts, the newest first, 20 on a page: an async iteration over a query, which ends with the request. ?page=2 is the next page.",
		},
		{
			route: view.Path("GET /posts/sync/{$}", view.JSONViewSync(b.listSync)), link: "/posts/sync/",
			about: "The same list by a sync view: the same query, by Sync(r), without a ctx.",
		},
		{
			route: view.Path("GET /posts/{id}/{$}", b.detail, view.Describe[postID, detail]()), link: "/posts/1/",
			about: "A post with its author's name, both by one query.",
		},
		{
			route: view.Path("GET /posts/{id}/lazy/{$}", b.lazy, view.Describe[postID, detail]()), link: "/posts/1/lazy/",
			about: "What happens where async code touches a relation that was not loaded: no query behind its back, but a 500 that names the relation and the remedy.",
		},
	}
}

const pageSize = 20

// pageOf is which page of a list is wanted.
type pageOf struct {
	Page int `query:"page" default:"1" doc:"counted from 1; one that is not there is a 404"`
}

// listed is a post in a list.
type listed struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
}

// page is a part of a list, and where it goes on from there.
type page struct {
	Posts    []listed `json:"posts" nullable:"false"`
	Page     int      `json:"page"`
	Pages    int      `json:"pages" doc:"how many there are, 1 at least"`
	Count    int64    `json:"count" doc:"posts on all of them"`
	Previous *int     `json:"previous" doc:"null: this is the first page"`
	Next     *int     `json:"next" doc:"null: this is the last page"`
}

// newPage is the page before its posts are there.
func newPage(of orm.Page[Post]) page {
	p := page{Posts: []listed{}, Page: of.Number, Pages: of.Pages, Count: of.Count}
	if n := of.Previous(); n > 0 {
		p.Previous = &n
	}
	if n := of.Next(); n > 0 {
		p.Next = &n
	}
	return p
}

func (b blog) list(ctx context.Context, _ *view.Request, in pageOf) (page, error) {
	count, err := b.published.Count(ctx)
	if err != nil {
		return page{}, err
	}
	on, err := orm.PageOf[Post](in.Page, pageSize, count)
	if err != nil {
		return page{}, err
	}
	p := newPage(on)
	for post, err := range on.Of(b.published).All(ctx) {
		if err != nil {
			return page{}, err
		}
		p.Posts = append(p.Posts, listed{post.ID, post.Title})
	}
	return p, nil
}

// listSync is list in the other colour: it takes no ctx, and so its queries take none.
func (b blog) listSync(r *view.Request, in pageOf) (page, error) {
	count, err := b.published.Sync(r).Count()
	if err != nil {
		return page{}, err
	}
	on, err := orm.PageOf[Post](in.Page, pageSize, count)
	if err != nil {
		return page{}, err
	}
	p := newPage(on)
	for post, err := range on.Of(b.published).Sync(r).All() {
		if err != nil {
			return page{}, err
		}
		p.Posts = append(p.Posts, listed{post.ID, post.Title})
	}
	return p, nil
}

type postID struct {
	ID int64 `path:"id"`
}

// detail is a post by itself.
type detail struct {
	ID     int64   `json:"id"`
	Title  string  `json:"title"`
	Author *string `json:"author" doc:"the name; null: nobody in particular"`
}

func newDetail(post *Post, author *Author) detail {
	d := detail{ID: post.ID, Title: post.Title}
	if author != nil {
		d.Author = &author.Name
	}
	return d
}

// detail takes the id as it is in the path: what cannot be a key is not found, as a key that no row has.
func (b blog) detail(ctx context.Context, r *view.Request) (view.Response, error) {
	post, err := b.posts.Related("Author").Get(ctx, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	author, err := post.Author.Get() // which is there: no query
	if err != nil {
		return nil, err
	}
	return view.JSON(newDetail(post, author)), nil
}

// lazy is detail with the mistake in it: nothing has loaded the relations that it looks at. The error is shown for once;
// as any other it would be in the log alone.
func (b blog) lazy(ctx context.Context, r *view.Request) (view.Response, error) {
	post, err := b.posts.Get(ctx, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	author, err := post.Author.Get()
	if err == nil && author == nil { // a post of nobody: there is nothing to load
		_, err = post.Tags.All()
	}
	if err != nil {
		return nil, &view.Error{Status: http.StatusInternalServerError, Message: err.Error(), Err: err}
	}
	return view.JSON(newDetail(post, author)), nil
}
