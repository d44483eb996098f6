-- +goose Up
CREATE TABLE authors (
    id integer PRIMARY KEY AUTOINCREMENT,
    name text NOT NULL,
    email text UNIQUE
);

CREATE TABLE posts (
    id integer PRIMARY KEY AUTOINCREMENT,
    title text NOT NULL,
    body text NOT NULL DEFAULT '',
    published boolean NOT NULL DEFAULT FALSE,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    author_id integer REFERENCES authors (id)
);

CREATE TABLE tags (
    id integer PRIMARY KEY AUTOINCREMENT,
    name text NOT NULL UNIQUE
);

CREATE TABLE post_tags (
    post_id integer NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    tag_id integer NOT NULL REFERENCES tags (id),
    PRIMARY KEY (post_id, tag_id)
);

-- +goose Down
DROP TABLE post_tags;
DROP TABLE tags;
DROP TABLE posts;
DROP TABLE authors;
