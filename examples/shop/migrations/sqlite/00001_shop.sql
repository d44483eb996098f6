-- +goose Up
CREATE TABLE accounts (
    id integer PRIMARY KEY AUTOINCREMENT,
    name text NOT NULL UNIQUE,
    password text NOT NULL,
    staff boolean NOT NULL DEFAULT FALSE
);

CREATE TABLE products (
    id integer PRIMARY KEY AUTOINCREMENT,
    sku text NOT NULL UNIQUE,
    name text NOT NULL,
    cents integer NOT NULL CHECK (cents >= 0)
);

CREATE TABLE stocks (
    id integer PRIMARY KEY AUTOINCREMENT,
    product_id integer NOT NULL UNIQUE REFERENCES products (id) ON DELETE CASCADE,
    quantity integer NOT NULL CHECK (quantity >= 0)
);

CREATE TABLE labels (
    id integer PRIMARY KEY AUTOINCREMENT,
    name text NOT NULL UNIQUE
);

CREATE TABLE product_labels (
    product_id integer NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    label_id integer NOT NULL REFERENCES labels (id) ON DELETE CASCADE,
    PRIMARY KEY (product_id, label_id)
);

CREATE TABLE orders (
    id integer PRIMARY KEY AUTOINCREMENT,
    buyer_id integer NOT NULL REFERENCES accounts (id),
    status text NOT NULL CHECK (status IN ('placed', 'paid', 'cancelled', 'expired')),
    placed_at timestamp NOT NULL
);

CREATE TABLE lines (
    id integer PRIMARY KEY AUTOINCREMENT,
    order_id integer NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    product_id integer NOT NULL REFERENCES products (id),
    quantity integer NOT NULL CHECK (quantity > 0),
    cents integer NOT NULL CHECK (cents >= 0)
);

CREATE TABLE facts (
    name text PRIMARY KEY,
    value text NOT NULL
);

-- +goose Down
DROP TABLE facts;
DROP TABLE lines;
DROP TABLE orders;
DROP TABLE product_labels;
DROP TABLE labels;
DROP TABLE stocks;
DROP TABLE products;
DROP TABLE accounts;
