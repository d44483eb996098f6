package main

import (
	"context"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

// newProduct is what it takes to add a product. What a tag cannot say is said by the database's constraints.
type newProduct struct {
	SKU      string   `json:"sku" pattern:"^[a-z0-9-]+$" maxLength:"40" example:"bell-2"`
	Name     string   `json:"name" minLength:"1" maxLength:"200" example:"Louder bell"`
	Cents    int64    `json:"cents" minimum:"0" maximum:"100000000" example:"1990"`
	Quantity int64    `json:"quantity,omitempty" minimum:"0" maximum:"1000000"`
	Labels   []string `json:"labels,omitempty" maxItems:"10" uniqueItems:"true"`
}

// product is one as the shop shows it.
type product struct {
	ID     int64    `json:"id"`
	SKU    string   `json:"sku"`
	Name   string   `json:"name"`
	Cents  int64    `json:"cents"`
	Stock  int64    `json:"stock"`
	Labels []string `json:"labels" nullable:"false"`
}

// shown makes a product of a row that was loaded with its relations: Get and All ask nothing then. If a query forgets one,
// this is an error that names it, not a query for each row.
func shown(p *Product) (product, error) {
	stock, err := p.Stock.Get()
	if err != nil {
		return product{}, err
	}
	labels, err := p.Labels.All()
	if err != nil {
		return product{}, err
	}
	out := product{ID: p.ID, SKU: p.SKU, Name: p.Name, Cents: p.Cents, Labels: []string{}}
	if stock != nil {
		out.Stock = stock.Quantity
	}
	for _, label := range labels {
		out.Labels = append(out.Labels, label.Name)
	}
	slices.Sort(out.Labels)
	return out, nil
}

// byID is an id in the path.
type byID struct {
	ID int64 `path:"id" minimum:"1"`
}

// search is which products are wanted.
type search struct {
	Page  int    `query:"page" default:"1" doc:"counted from 1"`
	Q     string `query:"q" maxLength:"100" doc:"a part of the name"`
	Label string `query:"label" maxLength:"40"`
	In    bool   `query:"in_stock" doc:"only what there is"`
}

// listing is a page of a list.
type listing[T any] struct {
	Items []T   `json:"items" nullable:"false"`
	Page  int   `json:"page"`
	Pages int   `json:"pages"`
	Count int64 `json:"count"`
}

const pageSize = 20

// listProducts takes three queries, however many products there are: the count, the page with its stock, and the labels of all
// that is on it.
func (s *shop) listProducts(ctx context.Context, _ *view.Request, in search) (listing[product], error) {
	q := s.products.Order("name", "id").Related("Stock", "Labels")
	if in.Q != "" { // queries are values: each step makes another one
		q = q.Filter("name ILIKE ?", "%"+orm.EscapeLike(in.Q)+"%")
	}
	if in.Label != "" {
		q = q.Filter("Labels.name = ?", in.Label)
	}
	if in.In {
		q = q.Filter("Stock.quantity > ?", 0)
	}
	page, err := q.Page(ctx, in.Page, pageSize)
	if err != nil {
		return listing[product]{}, err // of a page that is not there: a 404
	}
	return listed(page, shown)
}

// listed makes the answer of a page.
func listed[T, Out any](page orm.Page[T], show func(*T) (Out, error)) (listing[Out], error) {
	out := listing[Out]{Items: []Out{}, Page: page.Number, Pages: page.Pages, Count: page.Count}
	for _, row := range page.Rows {
		one, err := show(row)
		if err != nil {
			return listing[Out]{}, err
		}
		out.Items = append(out.Items, one)
	}
	return out, nil
}

func (s *shop) showProduct(ctx context.Context, _ *view.Request, in byID) (product, error) {
	return s.product(ctx, in.ID)
}

func (s *shop) product(ctx context.Context, id int64) (product, error) {
	p, err := s.products.Related("Stock", "Labels").Get(ctx, id)
	if err != nil {
		return product{}, err
	}
	return shown(p)
}

func (s *shop) createProduct(ctx context.Context, _ *view.Request, in newProduct) (product, error) {
	p, err := s.create(ctx, in)
	if errors.Is(err, orm.ErrUnique) {
		// The error alone would be a 409 too: this one says what it is about.
		return product{}, &view.Error{Status: http.StatusConflict, Code: "sku_taken", Message: "there is a product with this sku", Err: err}
	} else if err != nil {
		return product{}, err
	}
	return s.product(ctx, p.ID)
}

// create adds a product with its stock and labels: all of it or nothing. Inside of another transaction it is a part of that.
func (s *shop) create(ctx context.Context, in newProduct) (*Product, error) {
	p := &Product{SKU: in.SKU, Name: in.Name, Cents: in.Cents}
	err := orm.AtomicAsync(ctx, s.db, func(ctx context.Context, _ *orm.Tx) error {
		if err := s.products.Create(ctx, p); err != nil { // which has its ID from here on
			return err
		}
		if err := s.stocks.Create(ctx, &Stock{Product: orm.RefTo(p), Quantity: in.Quantity}); err != nil {
			return err
		}
		var labels []*Label
		for _, name := range slices.Sorted(slices.Values(in.Labels)) { // two who make the same ones in other orders would wait for each other
			label, _, err := s.labels.GetOrCreate(ctx, &Label{Name: name}, "name")
			if err != nil {
				return err
			}
			labels = append(labels, label)
		}
		return p.Labels.Add(ctx, labels...)
	})
	return p, err
}

//go:embed home.html
var homeHTML string

// homePage escapes what is put into it, by its place in the page.
var homePage = template.Must(template.New("home").Parse(homeHTML))

// home is the one page in HTML.
func (s *shop) home(ctx context.Context, _ *view.Request) (view.Response, error) {
	products, err := s.products.Filter("Stock.quantity > ?", 0).Related("Stock").Order("name").Limit(100).List(ctx)
	if err != nil {
		return nil, err
	}
	var page strings.Builder
	if err := homePage.Execute(&page, products); err != nil {
		return nil, err
	}
	return view.HTML(page.String()), nil
}
