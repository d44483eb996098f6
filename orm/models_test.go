package orm_test

import (
	"time"

	"github.com/uptrace/bun"

	"github.com/tandem-go/tandem/orm"
)

// The models of the tests: every kind of relation is there.

type Author struct {
	ID      int64            `bun:",pk,autoincrement"`
	Name    string           `bun:",notnull"`
	Email   *string          // unique
	Profile orm.Ref[Profile] `bun:"-"`
	Posts   orm.Refs[Post]   `bun:"-"`
}

type Profile struct {
	ID     int64 `bun:",pk,autoincrement"`
	Bio    string
	Author orm.Ref[Author] `bun:"author_id"`
}

type Post struct {
	ID        int64 `bun:",pk,autoincrement"`
	Title     string
	Body      string
	Published bool
	Views     int
	Rating    *float64
	CreatedAt time.Time
	Author    orm.Ref[Author]   `bun:"author_id" orm:"null"`
	Editor    orm.Ref[Editor]   `bun:"editor_id" orm:"null"`
	Tags      orm.Refs[Tag]     `bun:"-" orm:"m2m:post_tags"`
	Comments  orm.Refs[Comment] `bun:"-"`
}

// Editor has a key that is text.
type Editor struct {
	Code string `bun:",pk"`
	Name string
}

type Tag struct {
	ID    int64          `bun:",pk,autoincrement"`
	Name  string         // unique
	Posts orm.Refs[Post] `bun:"-" orm:"m2m:post_tags"`
}

type Comment struct {
	bun.BaseModel `bun:"table:remarks"`
	ID            int64             `bun:",pk,autoincrement"`
	Text          string            `bun:"body"`
	Meta          map[string]string `bun:"type:jsonb"`
	Post          orm.Ref[Post]     `bun:"post_id"`
	Parent        orm.Ref[Comment]  `bun:"parent_id" orm:"null"`
	Replies       orm.Refs[Comment] `bun:"-" orm:"by:Parent"`
}

// schema is the tables of the models; %[1]s is a primary key that counts, %[2]s a
// time, %[3]s JSON.
const schema = `
CREATE TABLE authors (id %[1]s, name text NOT NULL, email text UNIQUE);
CREATE TABLE profiles (id %[1]s, bio text NOT NULL, author_id bigint NOT NULL UNIQUE REFERENCES authors);
CREATE TABLE editors (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE posts (id %[1]s, title text NOT NULL, body text NOT NULL DEFAULT '', published boolean NOT NULL DEFAULT false,
	views integer NOT NULL DEFAULT 0 CHECK (views >= 0), rating double precision, created_at %[2]s NOT NULL,
	author_id bigint REFERENCES authors, editor_id text REFERENCES editors);
CREATE TABLE tags (id %[1]s, name text NOT NULL UNIQUE);
CREATE TABLE post_tags (post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE, tag_id bigint NOT NULL REFERENCES tags, PRIMARY KEY (post_id, tag_id));
CREATE TABLE remarks (id %[1]s, body text NOT NULL, meta %[3]s, post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE, parent_id bigint REFERENCES remarks);
`

// rows is what is in them: three authors, of whom the last has no profile and no
// post; five posts.
const rows = `
INSERT INTO authors (id, name, email) VALUES (1, 'Ada', 'ada@example.org'), (2, 'Brian', NULL), (3, 'Chris', NULL);
INSERT INTO profiles (id, bio, author_id) VALUES (11, 'Countess', 1), (12, 'Of C', 2);
INSERT INTO editors (code, name) VALUES ('ed', 'Edith');
INSERT INTO posts (id, title, body, published, views, rating, created_at, author_id, editor_id) VALUES
	(1, 'Engines', 'first', true, 10, 4.5, '2026-01-01 10:00:00+00:00', 1, 'ed'),
	(2, 'Notes', 'second', true, 20, NULL, '2026-01-02 10:00:00+00:00', 1, NULL),
	(3, 'Draft', 'third', false, 0, NULL, '2026-01-03 10:00:00+00:00', 1, NULL),
	(4, 'Pointers', 'fourth', true, 5, 3.5, '2026-01-04 10:00:00+00:00', 2, 'ed'),
	(5, 'Anonymous 100%%', 'fifth', false, 1, NULL, '2026-01-05 10:00:00+00:00', NULL, NULL);
INSERT INTO tags (id, name) VALUES (1, 'go'), (2, 'c'), (3, 'unused');
INSERT INTO post_tags (post_id, tag_id) VALUES (1, 1), (1, 2), (2, 1), (4, 2);
INSERT INTO remarks (id, body, meta, post_id, parent_id) VALUES (1, 'well', '{"lang":"en"}', 1, NULL), (2, 'indeed', NULL, 1, 1), (3, 'so', NULL, 2, NULL);
`
