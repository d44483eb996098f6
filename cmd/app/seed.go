package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// The demonstration data. It is the same wherever and whenever it is made.
var (
	demoAuthors = []string{"Ada Brook", "Bela Stern", "Chika Obi", "Dana Reyes", "Emil Novak"}
	demoTags    = []string{"async", "sync", "deploys", "databases", "measured", "howto"}
	demoTopics  = []string{
		"views that wait", "permits", "graceful drains", "shared sockets", "crossings",
		"chunked iteration", "transactions", "rolling reloads", "access logs", "lazy relations",
	}
	demoTitles = []string{"An introduction to %s", "What %s cost", "Mistakes with %s", "How to test %s", "Notes on %s"}
	demoBegin  = time.Date(2026, time.January, 5, 8, 0, 0, 0, time.UTC)
)

// seed adds what is missing of the demonstration data, in one transaction, and says how many posts that were. Rows that
// others have made stay as they are. Of several at once one adds, and the others find it there.
func seed(ctx context.Context, db *orm.DB) (posts int, err error) {
	tx, err := db.SQL().BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("fill in the demonstration data: %w", err)
	}
	posts, err = seedIn(ctx, tx)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		_ = tx.Rollback()
		return 0, fmt.Errorf("fill in the demonstration data: %w", err)
	}
	return posts, nil
}

// seedIn uses SQL that both databases know; both drivers take $1. An update that changes nothing locks the row, and so
// has others who seed wait here, before they look for posts.
func seedIn(ctx context.Context, tx *sql.Tx) (added int, err error) {
	const (
		addAuthor = "INSERT INTO authors (name, email) VALUES ($1, $2) ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING id"
		addTag    = "INSERT INTO tags (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id"
		findPost  = "SELECT id FROM posts WHERE title = $1 AND author_id = $2"
		addPost   = "INSERT INTO posts (title, body, published, created_at, author_id) VALUES ($1, $2, $3, $4, $5) RETURNING id"
		tagPost   = "INSERT INTO post_tags (post_id, tag_id) VALUES ($1, $2)"
	)
	id := func(query string, args ...any) (id int64, err error) {
		err = tx.QueryRowContext(ctx, query, args...).Scan(&id)
		return id, err
	}
	authors, tags := make([]int64, len(demoAuthors)), make([]int64, len(demoTags))
	for i, name := range demoAuthors {
		given, _, _ := strings.Cut(strings.ToLower(name), " ")
		if authors[i], err = id(addAuthor, name, given+"@example.com"); err != nil {
			return 0, err
		}
	}
	for i, name := range demoTags {
		if tags[i], err = id(addTag, name); err != nil {
			return 0, err
		}
	}
	for i := range len(demoTitles) * len(demoTopics) {
		form, topic := i/len(demoTopics), i%len(demoTopics)
		title, author := fmt.Sprintf(demoTitles[form], demoTopics[topic]), authors[(form+topic)%len(authors)]
		_, err := id(findPost, title, author)
		if err == nil {
			continue
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
		body := fmt.Sprintf("%s: post %d of the demonstration data.", title, i+1)
		post, err := id(addPost, title, body, i%5 != 4, demoBegin.Add(time.Duration(i)*6*time.Hour), author)
		if err != nil {
			return 0, err
		}
		for n := range 1 + i%2 { // one tag or two
			if _, err := tx.ExecContext(ctx, tagPost, post, tags[(i+n)%len(tags)]); err != nil {
				return 0, err
			}
		}
		added++
	}
	return added, nil
}
