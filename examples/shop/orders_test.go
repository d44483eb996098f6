package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/bridge"
)

// buy is an order of some of one product.
func buy(sku string, quantity int) string {
	return fmt.Sprintf(`{"lines":[{"sku":%q,"quantity":%d}]}`, sku, quantity)
}

func TestAnOrderTakesFromTheStock(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		bo := s.as(t, "bo")
		o := read[order](bo.ask("POST", "/orders/", `{"lines":[{"sku":"bell","quantity":2},{"sku":"bike-1","quantity":1}]}`).is(201))
		if o.Status != Placed || o.Cents != 2*1450+79_900 || len(o.Lines) != 2 {
			t.Errorf("ordered %+v", o)
		}
		if bells, bikes := s.stock(t, "bell"), s.stock(t, "bike-1"); bells != 38 || bikes != 7 {
			t.Errorf("%d bells and %d bicycles are left, want 38 and 7", bells, bikes)
		}
		bo.ask("GET", fmt.Sprintf("/orders/%d/", o.ID), "").is(200).took(3) // the account, the order, its lines with their products
		bo.ask("GET", "/orders/", "").is(200).took(4)                       // and the count
	})
}

func TestAnOrderIsWholeOrNotThere(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		bo := s.as(t, "bo")
		bo.ask("POST", "/orders/", `{"lines":[{"sku":"bell","quantity":2},{"sku":"pump","quantity":1}]}`).is(409)
		bo.ask("POST", "/orders/", `{"lines":[{"sku":"bell","quantity":2},{"sku":"wing","quantity":1}]}`).refuses("lines[1].sku")
		bo.ask("POST", "/orders/", `{"lines":[{"sku":"bell","quantity":2},{"sku":"bell","quantity":1}]}`).refuses("lines[1].sku")
		bo.ask("POST", "/orders/", `{"lines":[]}`).refuses("lines")
		if n, err := s.orders.Count(t.Context()); err != nil || n != 0 || s.stock(t, "bell") != 40 {
			t.Errorf("there are %d orders and %d bells (%v)", n, s.stock(t, "bell"), err)
		}
	})
}

// Two workers, and more buyers than there are bicycles.
func TestNothingIsSoldThatIsNotThere(t *testing.T) {
	twoWorkers(t, func(t *testing.T, one, two *site) {
		var all sync.WaitGroup
		statuses := make(chan int, 16)
		for i := range cap(statuses) {
			c := []*site{one, two}[i%2].as(t, "bo")
			all.Go(func() { statuses <- c.ask("POST", "/orders/", buy("bike-2", 1)).status })
		}
		all.Wait()
		close(statuses)
		got := map[int]int{}
		for status := range statuses {
			got[status]++
		}
		if got[http.StatusCreated] != 3 || got[http.StatusConflict] != 13 || one.stock(t, "bike-2") != 0 {
			t.Errorf("answers by status: %v; left: %d", got, one.stock(t, "bike-2"))
		}
	})
}

// twoWorkers runs a test on two shops with one database.
func twoWorkers(t *testing.T, test func(t *testing.T, one, two *site)) {
	for name, database := range databases {
		t.Run(name, func(t *testing.T) {
			url := database(t)
			test(t, start(t, url), start(t, url))
		})
	}
}

func TestASessionIsGoodAtEveryWorker(t *testing.T) {
	twoWorkers(t, func(t *testing.T, one, two *site) {
		bo := one.as(t, "bo")
		bo.ask("GET", "/orders/", "").is(200)
		bo.site = two // cookies know no ports
		bo.ask("GET", "/orders/", "").is(200)
		bo.ask("POST", "/logout/", "").is(204)
		bo.ask("GET", "/orders/", "").is(401)
	})
}

func TestOrdersOfOthersAreNotThere(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		id := read[order](s.as(t, "bo").ask("POST", "/orders/", buy("bell", 1)).is(201)).ID
		sam, anybody := s.as(t, "sam"), s.as(t, "")
		for _, route := range []string{"GET /orders/%d/", "GET /orders/%d/events/", "POST /orders/%d/pay/", "POST /orders/%d/cancel/"} {
			method, target, _ := strings.Cut(fmt.Sprintf(route, id), " ")
			sam.ask(method, target, "").is(404)
			anybody.ask(method, target, "").is(401)
		}
	})
}

func TestAnOrderIsSettledOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		bo := s.as(t, "bo")
		place := func() string {
			return fmt.Sprintf("/orders/%d/", read[order](bo.ask("POST", "/orders/", buy("bell", 5)).is(201)).ID)
		}
		paid, cancelled := place(), place()
		if o := read[order](bo.ask("POST", paid+"pay/", "").is(200)); o.Status != Paid {
			t.Errorf("it is %s", o.Status)
		}
		if o := read[order](bo.ask("POST", cancelled+"cancel/", "").is(200)); o.Status != Cancelled || len(o.Lines) != 1 {
			t.Errorf("it is %+v", o)
		}
		bo.ask("POST", paid+"pay/", "").is(200)
		bo.ask("POST", paid+"cancel/", "").is(409)
		bo.ask("POST", cancelled+"pay/", "").is(409)
		bo.ask("POST", cancelled+"cancel/", "").is(409)
		if left := s.stock(t, "bell"); left != 35 {
			t.Errorf("%d bells are left, want 35", left)
		}
	})
}

func TestAnOrderIsReleasedOnceWhoeverTries(t *testing.T) {
	twoWorkers(t, func(t *testing.T, one, two *site) {
		id := read[order](one.as(t, "bo").ask("POST", "/orders/", buy("bell", 5)).is(201)).ID
		var all sync.WaitGroup
		errs := make(chan error, 8)
		for i := range cap(errs) {
			all.Go(func() {
				s := []*site{one, two}[i%2]
				scope := bridge.NewRoot(t.Context(), s.app.Limits())
				defer scope.Close()
				errs <- s.release(scope, id, Expired)
			})
		}
		all.Wait()
		close(errs)
		done := 0
		for err := range errs {
			if err == nil {
				done++
			} else if !errors.Is(err, errNotPlaced) {
				t.Error(err)
			}
		}
		if done != 1 || one.stock(t, "bell") != 40 {
			t.Errorf("it was released %d times, and %d bells are left", done, one.stock(t, "bell"))
		}
	})
}

// Whoever watches at one worker hears of what is done at another.
func TestAnOrderIsWatched(t *testing.T) {
	twoWorkers(t, func(t *testing.T, one, two *site) {
		bo := one.as(t, "bo")
		target := fmt.Sprintf("/orders/%d/", read[order](bo.ask("POST", "/orders/", buy("bell", 1)).is(201)).ID)
		req, err := http.NewRequestWithContext(t.Context(), "GET", two.url+target+"events/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := bo.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var heard []string
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if heard = append(heard, data); len(heard) == 1 {
					bo.ask("POST", target+"pay/", "").is(200)
				}
			}
		}
		if want := `[{"status":"placed"} {"status":"paid"}]`; fmt.Sprint(heard) != want {
			t.Errorf("heard %v, want %s", heard, want)
		}
	})
}

func TestTheReport(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		bo, sam := s.as(t, "bo"), s.as(t, "sam")
		for i, lines := range []string{buy("bell", 2), `{"lines":[{"sku":"bell","quantity":1},{"sku":"chain-2","quantity":1}]}`, buy("bike-2", 1)} {
			id := read[order](bo.ask("POST", "/orders/", lines).is(201)).ID
			if i < 2 {
				bo.ask("POST", fmt.Sprintf("/orders/%d/pay/", id), "").is(200)
			}
		}
		bo.ask("GET", "/report/", "").is(403)
		want := `{"orders":2,"sold":4,"products":[{"sku":"chain-2","sold":1,"cents":5900},{"sku":"bell","sold":3,"cents":4350}]}`
		sam.ask("GET", "/report/", "").is(200, want).took(4) // the account, the sums, the lines, their products
	})
}
