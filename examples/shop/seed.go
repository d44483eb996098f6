package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/tandem-go/tandem/orm"
)

// The demonstration data. Everybody knows these passwords: they are never put into a database that the settings name.
var (
	demoAccounts = []Account{{Name: "sam", Password: "sam's demo password", Staff: true}, {Name: "bo", Password: "bo's demo password"}}
	demoProducts = []newProduct{
		{SKU: "bike-2", Name: "Tandem bicycle", Cents: 189_900, Quantity: 3, Labels: []string{"bicycles"}},
		{SKU: "bike-1", Name: "Bicycle", Cents: 79_900, Quantity: 8, Labels: []string{"bicycles"}},
		{SKU: "bell", Name: "Bell", Cents: 1_450, Quantity: 40, Labels: []string{"parts", "small"}},
		{SKU: "chain-2", Name: "Timing chain", Cents: 5_900, Quantity: 12, Labels: []string{"parts"}},
		{SKU: "pump", Name: "Pump", Cents: 2_990, Quantity: 0, Labels: []string{"tools", "small"}},
	}
)

// seed fills an empty database, in one transaction: it is whole or not there, and of several workers that start at once one
// fills. The row that says so is the first that is written, so whoever comes second waits for it, and finds it.
func (s *shop) seed(ctx context.Context) (filled bool, err error) {
	facts := orm.For[Fact](s.db)
	if there, err := facts.Filter("name = ?", "seeded").Exists(ctx); err != nil || there {
		return false, err
	}
	accounts := slices.Clone(demoAccounts)
	for i := range accounts { // which takes its time: outside of the transaction, in which others would wait for it
		if accounts[i].Password, err = s.passwords.HashSync(accounts[i].Password); err != nil {
			return false, err
		}
	}
	err = orm.AtomicAsync(ctx, s.db, func(ctx context.Context, _ *orm.Tx) error {
		_, filled, err = facts.GetOrCreate(ctx, &Fact{Name: "seeded", Value: "demo"}, "name")
		if err != nil || !filled {
			return err
		}
		for i := range accounts {
			if err := s.accounts.Create(ctx, &accounts[i]); err != nil {
				return err
			}
		}
		for _, product := range demoProducts {
			if _, err := s.create(ctx, product); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("fill in the demonstration data: %w", err)
	}
	return filled, nil
}
