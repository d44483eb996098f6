-- Both databases know this, so there is one file.

-- +goose Up
CREATE INDEX orders_of_buyer ON orders (buyer_id, id);
CREATE INDEX orders_to_expire ON orders (placed_at) WHERE status = 'placed';
CREATE INDEX lines_of_order ON lines (order_id);
CREATE INDEX lines_of_product ON lines (product_id);
CREATE INDEX product_labels_of_label ON product_labels (label_id);

-- +goose Down
DROP INDEX product_labels_of_label;
DROP INDEX lines_of_product;
DROP INDEX lines_of_order;
DROP INDEX orders_to_expire;
DROP INDEX orders_of_buyer;
