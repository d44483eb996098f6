-- +goose Up
CREATE INDEX posts_published ON posts (created_at, id) WHERE published;
-- Neither database makes one for a foreign key by itself.
CREATE INDEX posts_author ON posts (author_id);
CREATE INDEX post_tags_tag ON post_tags (tag_id);

-- +goose Down
DROP INDEX post_tags_tag;
DROP INDEX posts_author;
DROP INDEX posts_published;
