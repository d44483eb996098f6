package main

import "github.com/tandem-go/tandem/orm"

// What the views of the posts take and answer.

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

// newPost is what it takes to make a post. Its texts have no control characters, in the body but for what breaks and
// indents lines: PostgreSQL stores no NUL.
type newPost struct {
	Title     string  `json:"title" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f-\\xa0\\p{Z}][^\\x00-\\x1f\\x7f]*$" patternDescription:"a line that is not blank" example:"Riding in tandem"`
	Body      string  `json:"body,omitempty" maxLength:"50000" pattern:"^[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]*$" patternDescription:"text"`
	Published *bool   `json:"published,omitempty" doc:"true without it"`
	Author    *int64  `json:"author" required:"false" doc:"the id of one that is there; nobody without it"`
	Tag       *string `json:"tag" required:"false" maxLength:"50" pattern:"^[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f-\\xa0\\p{Z}][^\\x00-\\x1f\\x7f]*$" patternDescription:"a line that is not blank" doc:"made if there is none of that name" example:"howto"`
}

// created is a post that was just made.
type created struct {
	ID        int64   `json:"id"`
	Title     string  `json:"title"`
	Author    *string `json:"author" doc:"the name; null: nobody in particular"`
	Tag       *string `json:"tag" doc:"null: none"`
	Published bool    `json:"published"`
}
