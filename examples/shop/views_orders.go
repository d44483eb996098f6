package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

// newOrder is what somebody wants to buy.
type newOrder struct {
	Lines []newLine `json:"lines" minItems:"1" maxItems:"50"`
}

type newLine struct {
	SKU      string `json:"sku" maxLength:"40" example:"bell"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"1000"`
}

// order is one as its buyer sees it.
type order struct {
	ID       int64     `json:"id"`
	Status   Status    `json:"status" enum:"placed,paid,cancelled,expired"`
	PlacedAt time.Time `json:"placed_at"`
	Cents    int64     `json:"cents" doc:"all lines together"`
	Lines    []line    `json:"lines" nullable:"false"`
}

type line struct {
	SKU      string `json:"sku"`
	Name     string `json:"name"`
	Quantity int64  `json:"quantity"`
	Cents    int64  `json:"cents" doc:"of one, when it was ordered"`
}

// withLines is what shownOrder needs to be loaded: an order, its lines and their products are two queries, as those of a
// hundred orders are.
const withLines = "Lines.Product"

func shownOrder(o *Order) (order, error) {
	lines, err := o.Lines.All()
	if err != nil {
		return order{}, err
	}
	out := order{ID: o.ID, Status: o.Status, PlacedAt: o.PlacedAt, Lines: []line{}}
	for _, l := range lines {
		p, err := l.Product.Get()
		if err != nil {
			return order{}, err
		}
		out.Lines = append(out.Lines, line{SKU: p.SKU, Name: p.Name, Quantity: l.Quantity, Cents: l.Cents})
		out.Cents += l.Quantity * l.Cents
	}
	return out, nil
}

// own is the orders of who asks: whoever looks for another one's finds nothing, and so does not learn that it is there.
func (s *shop) own(r *view.Request) orm.Query[Order] {
	return s.orders.Filter("Buyer = ?", r.User().ID)
}

type pageOf struct {
	Page int `query:"page" default:"1" doc:"counted from 1"`
}

func (s *shop) listOrders(ctx context.Context, r *view.Request, in pageOf) (listing[order], error) {
	page, err := s.own(r).Related(withLines).Order("-id").Page(ctx, in.Page, pageSize)
	if err != nil {
		return listing[order]{}, err
	}
	return listed(page, shownOrder)
}

func (s *shop) showOrder(ctx context.Context, r *view.Request, in byID) (order, error) {
	o, err := s.own(r).Related(withLines).Get(ctx, in.ID)
	if err != nil {
		return order{}, err
	}
	return shownOrder(o)
}

// placeOrder takes what is ordered from the stock. Nothing is sold that is not there, whatever others order meanwhile: it is
// the UPDATE that checks, with the row locked, and not a SELECT before it.
func (s *shop) placeOrder(ctx context.Context, r *view.Request, in newOrder) (order, error) {
	quantities := map[string]int64{}
	for i, l := range in.Lines {
		if quantities[l.SKU] != 0 {
			return order{}, view.Invalid(view.FieldError{In: "body", Field: fmt.Sprintf("lines[%d].sku", i), Message: "is in another line too"})
		}
		quantities[l.SKU] = l.Quantity
	}
	var placed *Order
	err := orm.AtomicAsync(ctx, s.db, func(ctx context.Context, _ *orm.Tx) error {
		// All that this function makes it makes here: Retry may run it again.
		products, err := s.products.Filter("sku IN (?)", slices.Collect(maps.Keys(quantities))).Order("id").List(ctx)
		if err != nil {
			return err
		}
		if err := unknown(in, products); err != nil {
			return err
		}
		placed = &Order{Buyer: orm.RefKey[Account](r.User().ID), Status: Placed, PlacedAt: time.Now()}
		if err := s.orders.Create(ctx, placed); err != nil {
			return err
		}
		var lines []*Line
		for _, p := range products { // in the same order whoever asks, so that two never wait for each other's rows
			if err := s.take(ctx, p, quantities[p.SKU]); err != nil {
				return err
			}
			lines = append(lines, &Line{Order: orm.RefTo(placed), Product: orm.RefTo(p), Quantity: quantities[p.SKU], Cents: p.Cents})
		}
		return s.lines.BulkCreate(ctx, lines)
	}, orm.Retry(3))
	if err != nil {
		return order{}, err
	}
	return s.showOrder(ctx, r, byID{placed.ID})
}

// unknown is the error for what is ordered and not there.
func unknown(in newOrder, products []*Product) error {
	var wrong []view.FieldError
	for i, l := range in.Lines {
		if !slices.ContainsFunc(products, func(p *Product) bool { return p.SKU == l.SKU }) {
			wrong = append(wrong, view.FieldError{In: "body", Field: fmt.Sprintf("lines[%d].sku", i), Message: "no such product"})
		}
	}
	if len(wrong) > 0 {
		return view.Invalid(wrong...)
	}
	return nil
}

// take takes so many of a product from its stock, or none.
func (s *shop) take(ctx context.Context, p *Product, quantity int64) error {
	n, err := s.stocks.Filter("Product = ? AND quantity >= ?", p.ID, quantity).
		Update(ctx, orm.SetExpr("quantity", "quantity - ?", quantity))
	if err == nil && n == 0 {
		err = &view.Error{Status: http.StatusConflict, Code: "out_of_stock", Message: fmt.Sprintf("there are fewer than %d of %s left", quantity, p.SKU)}
	}
	return err
}

// payOrder stands for what a payment service would call. One that has expired meanwhile cannot be paid any more: the
// condition on the status is checked by the statement that changes it.
func (s *shop) payOrder(ctx context.Context, r *view.Request, in byID) (order, error) {
	n, err := s.own(r).Filter("id = ? AND status = ?", in.ID, Placed).Update(ctx, orm.Set("status", Paid))
	if err != nil {
		return order{}, err
	}
	o, err := s.showOrder(ctx, r, in)
	if err == nil && n == 0 && o.Status != Paid { // paid twice is paid
		return order{}, errOver(o.Status)
	}
	return o, err
}

// errOver is the error of changing an order that has been settled otherwise.
func errOver(is Status) error {
	return view.Errorf(http.StatusConflict, "the order is %s", is)
}

var errNotPlaced = errors.New("the order is not placed any more")

// cancelOrder is a sync view, because it has the same to do as the job that has orders expire, and that is sync code.
func (s *shop) cancelOrder(r *view.Request, in byID) (order, error) {
	o, err := s.own(r).Sync(r).Get(in.ID)
	if err != nil {
		return order{}, err
	}
	if err := s.release(r, o.ID, Cancelled); errors.Is(err, errNotPlaced) {
		return order{}, errOver(o.Status)
	} else if err != nil {
		return order{}, err
	}
	o, err = s.own(r).Related(withLines).Sync(r).Get(in.ID)
	if err != nil {
		return order{}, err
	}
	return shownOrder(o)
}

// release settles a placed order and gives back what it has taken. Of several who try one does it, in whichever process:
// the others find that it is not placed any more.
func (s *shop) release(scope bridge.Scoped, id int64, to Status) error {
	return orm.Atomic(scope, s.db, func(tx *orm.Tx) error {
		n, err := s.orders.Filter("id = ? AND status = ?", id, Placed).Sync(tx).Update(orm.Set("status", to))
		if err != nil {
			return err
		}
		if n == 0 {
			return errNotPlaced
		}
		for line, err := range s.lines.Filter("Order = ?", id).Order("product_id").Sync(tx).All() { // in the order of placeOrder
			if err != nil {
				return err
			}
			_, err := s.stocks.Filter("Product = ?", line.Product.PK()).Sync(tx).Update(orm.SetExpr("quantity", "quantity + ?", line.Quantity))
			if err != nil {
				return err
			}
		}
		return nil
	}, orm.Retry(3))
}
