package main

import (
	"cmp"
	"slices"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

// report is what was sold.
type report struct {
	Orders   int64         `json:"orders"`
	Sold     int64         `json:"sold" doc:"pieces"`
	Products []productSold `json:"products" nullable:"false"`
}

type productSold struct {
	SKU   string `json:"sku"`
	Sold  int64  `json:"sold"`
	Cents int64  `json:"cents"`
}

// report is a sync view: it takes no ctx, and so its queries take none, by Sync(r). It runs inside a permit, to its end.
//
// The lines come in chunks, however many there are. Their products are not loaded with them, but when the first one of a
// chunk is asked for, for all of it at once: FetchPeers. In an async view such a relation would be an error.
func (s *shop) report(r *view.Request, _ view.None) (report, error) {
	out := report{Products: []productSold{}}
	sold := s.lines.Filter("Order.status = ?", Paid)
	err := sold.Sync(r).Aggregate(orm.CountOf("Order", &out.Orders).Distinct(), orm.Sum("quantity", &out.Sold))
	if err != nil {
		return report{}, err
	}
	bySKU := map[string]*productSold{}
	for line, err := range sold.Fetch(orm.FetchPeers).Sync(r).All() {
		if err != nil {
			return report{}, err
		}
		p, err := line.Product.Get()
		if err != nil {
			return report{}, err
		}
		if bySKU[p.SKU] == nil {
			bySKU[p.SKU] = &productSold{SKU: p.SKU}
		}
		bySKU[p.SKU].Sold += line.Quantity
		bySKU[p.SKU].Cents += line.Quantity * line.Cents
	}
	for _, one := range bySKU {
		out.Products = append(out.Products, *one)
	}
	slices.SortFunc(out.Products, func(a, b productSold) int {
		return cmp.Or(cmp.Compare(b.Cents, a.Cents), cmp.Compare(a.SKU, b.SKU))
	})
	return out, nil
}
