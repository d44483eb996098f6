package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestProductsAreListedByThreeQueries(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		a := s.as(t, "").ask("GET", "/products/", "").is(200).took(3)
		first := `{"items":[{"id":3,"sku":"bell","name":"Bell","cents":1450,"stock":40,"labels":["parts","small"]},{"id":2,"sku":"bike-1",`
		if !strings.HasPrefix(a.body, first) || !strings.HasSuffix(a.body, `"page":1,"pages":1,"count":5}`) {
			t.Error(a.body)
		}
	})
}

func TestProductsAreFound(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		anybody := s.as(t, "")
		for query, want := range map[string]string{
			"?q=B":                       "bell bike-1 bike-2",
			"?q=bicycle":                 "bike-1 bike-2",
			"?q=%25":                     "",
			"?label=small":               "bell pump",
			"?label=small&in_stock=true": "bell",
			"?label=none":                "",
		} {
			var got []string
			for _, p := range read[listing[product]](anybody.ask("GET", "/products/"+query, "").is(200)).Items {
				got = append(got, p.SKU)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %v, want %s", query, got, want)
			}
		}
		anybody.ask("GET", "/products/?page=2", "").is(404)
		anybody.ask("GET", "/products/?page=two", "").refuses("page")
	})
}

func TestAProductByItself(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		anybody := s.as(t, "")
		anybody.ask("GET", "/products/5/", "").is(200, `{"id":5,"sku":"pump","name":"Pump","cents":2990,"stock":0,"labels":["small","tools"]}`).took(2)
		anybody.ask("GET", "/products/6/", "").is(404)
		anybody.ask("GET", "/products/x/", "").refuses("id")
	})
}

func TestStaffAddProducts(t *testing.T) {
	const horn = `{"sku":"horn","name":"Horn","cents":990,"quantity":4,"labels":["small","loud"]}`
	onEach(t, func(t *testing.T, s *site) {
		s.as(t, "").ask("POST", "/products/", horn).is(401)
		s.as(t, "bo").ask("POST", "/products/", horn).is(403)
		sam := s.as(t, "sam")
		want := product{SKU: "horn", Name: "Horn", Cents: 990, Stock: 4, Labels: []string{"loud", "small"}}
		made := read[product](sam.ask("POST", "/products/", horn).is(201))
		want.ID = made.ID
		if fmt.Sprint(made) != fmt.Sprint(want) {
			t.Errorf("made %v, want %v", made, want)
		}
		sam.ask("POST", "/products/", `{"sku":"Horn!","name":"","cents":-1,"labels":["a","a"],"colour":"red"}`).
			refuses("sku", "name", "cents", "labels[1]", "colour")
	})
}

// What fails in the middle leaves nothing behind: the labels of the product that was not made are not there either.
func TestAProductWhoseSKUIsTaken(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		sam := s.as(t, "sam")
		a := sam.ask("POST", "/products/", `{"sku":"bell","name":"Another bell","cents":1,"labels":["new"]}`).is(409)
		if !strings.Contains(a.body, `"code":"sku_taken"`) {
			t.Error(a.body)
		}
		if there, err := s.labels.Filter("name = ?", "new").Exists(t.Context()); err != nil || there {
			t.Errorf("the label is there: %v, %v", there, err)
		}
	})
}

func TestThePage(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		page := s.as(t, "").ask("GET", "/", "").is(200).took(1).body
		if !strings.Contains(page, "<td>Bell</td><td>14.50</td><td>40</td>") || strings.Contains(page, "Pump") {
			t.Error(page)
		}
	})
}

func TestTheDescription(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		doc := s.as(t, "").ask("GET", "/openapi.json", "").is(200).body
		for _, path := range []string{"/products/", "/orders/{id}/pay/", "/report/"} {
			if !strings.Contains(doc, fmt.Sprintf("%q:", path)) {
				t.Errorf("%s is not described", path)
			}
		}
	})
}
