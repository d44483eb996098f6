package main

import (
	"fmt"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// The rows of the shop, as the migrations make their tables. Every kind of relation is here: Order.Buyer and Line.Product
// are to one row (the key is ours), Product.Stock is to the one row that has our key, Order.Lines to all that have it, and
// Product.Labels goes over a table between.

// Account is somebody who may log in.
type Account struct {
	ID       int64           `bun:",pk,autoincrement"`
	Name     string          // unique
	Password string          // its hash
	Staff    bool            // may change products and read the report
	Orders   orm.Refs[Order] `bun:"-"`
}

// Product is what the shop sells.
type Product struct {
	ID     int64  `bun:",pk,autoincrement"`
	SKU    string `bun:"sku"` // unique
	Name   string
	Cents  int64           // money is a whole number of its smallest unit
	Stock  orm.Ref[Stock]  `bun:"-"`
	Labels orm.Refs[Label] `bun:"-" orm:"m2m:product_labels"`
}

// Price is what it costs, for people.
func (p *Product) Price() string { return fmt.Sprintf("%d.%02d", p.Cents/100, p.Cents%100) }

// Stock is how many of a product there are. It is a row of its own, because every order locks it: who edits a product's
// name waits for no buyer.
type Stock struct {
	ID       int64            `bun:",pk,autoincrement"`
	Product  orm.Ref[Product] `bun:"product_id"` // unique
	Quantity int64
}

// Label is a word that products are found by.
type Label struct {
	ID       int64             `bun:",pk,autoincrement"`
	Name     string            // unique
	Products orm.Refs[Product] `bun:"-" orm:"m2m:product_labels"`
}

// Status is how far an order is.
type Status string

// An order is placed, and then one of the others, for good.
const (
	Placed    Status = "placed"
	Paid      Status = "paid"
	Cancelled Status = "cancelled"
	Expired   Status = "expired"
)

// Order is what somebody buys. What it takes from the stock it takes when it is placed, and gives back when it is cancelled
// or expires.
type Order struct {
	ID       int64            `bun:",pk,autoincrement"`
	Buyer    orm.Ref[Account] `bun:"buyer_id"`
	Status   Status
	PlacedAt time.Time
	Lines    orm.Refs[Line] `bun:"-"`
}

// Line is one product of an order.
type Line struct {
	ID       int64            `bun:",pk,autoincrement"`
	Order    orm.Ref[Order]   `bun:"order_id"`
	Product  orm.Ref[Product] `bun:"product_id"`
	Quantity int64
	Cents    int64 // what one cost when it was ordered
}

// Fact is something that all workers know, whichever of them has made it.
type Fact struct {
	Name  string `bun:",pk"`
	Value string
}
