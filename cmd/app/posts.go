package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tandem-go/tandem/bridge"
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

const pageSize = 20

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

// lazy is detail with the mistake in it: nothing has loaded the relations that it looks at. What the error says is shown
// for once; that of another would be in the log alone.
func (b blog) lazy(ctx context.Context, r *view.Request) (view.Response, error) {
	post, err := b.posts.Get(ctx, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	author, err := post.Author.Get()
	if err == nil && author == nil { // a post of nobody: there is nothing to load
		_, err = post.Tags.All()
	}
	if errors.Is(err, bridge.ErrSynchronousOnly) {
		return nil, &view.Error{Status: http.StatusInternalServerError, Message: err.Error(), Err: err}
	}
	return view.JSON(newDetail(post, author)), err
}

// create makes the post and its tag together or not at all. Of two that want a new tag at once one makes it.
func (b blog) create(ctx context.Context, _ *view.Request, in newPost) (view.Response, error) {
	post := &Post{Title: strings.TrimSpace(in.Title), Body: in.Body, Published: in.Published == nil || *in.Published}
	made := created{Title: post.Title, Published: post.Published}
	err := orm.AtomicAsync(ctx, b.db, func(ctx context.Context, _ *orm.Tx) error {
		if in.Author != nil {
			author, err := b.authors.Get(ctx, *in.Author)
			if errors.Is(err, orm.ErrNotFound) {
				return view.Invalid(view.FieldError{In: "body", Field: "author", Message: "there is no author with that id"})
			}
			if err != nil {
				return err
			}
			post.Author.Set(author)
			made.Author = &author.Name
		}
		if err := b.posts.Create(ctx, post); err != nil || in.Tag == nil {
			return err
		}
		tag, _, err := b.tags.GetOrCreate(ctx, &Tag{Name: strings.TrimSpace(*in.Tag)}, "name")
		if err != nil {
			return err
		}
		made.Tag = &tag.Name
		return post.Tags.Add(ctx, tag)
	})
	if err != nil {
		return nil, err
	}
	made.ID = post.ID
	resp := view.WithStatus(view.JSON(made), http.StatusCreated)
	return view.WithHeader(resp, "Location", fmt.Sprintf("/posts/%d/", post.ID)), nil
}
