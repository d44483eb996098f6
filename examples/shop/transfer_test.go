package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

// file is products as CSV, n of them.
func file(n int) string {
	var b strings.Builder
	b.WriteString("sku,name,cents,quantity\n")
	for i := range n {
		fmt.Fprintf(&b, "a-%05d,\"Part, number %d\",%d,%d\n", i, i, 100+i, i%7)
	}
	return b.String()
}

func TestWhatIsBroughtInComesOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		sam := s.as(t, "sam")
		in := file(3*importChunk + 1)
		// Four chunks of a product's and a stock's statement, and the account.
		sam.send("POST", "/products/import/", "text/csv", strings.NewReader(in)).is(200, `{"stored":1501}`).took(9)
		out := sam.ask("GET", "/products/export/", "").is(200)
		if got := out.header.Get("Content-Type"); got != "text/csv; charset=utf-8" {
			t.Errorf("it is %s", got)
		}
		want := in + "bell,Bell,1450,40\nbike-1,Bicycle,79900,8\nbike-2,Tandem bicycle,189900,3\nchain-2,Timing chain,5900,12\npump,Pump,2990,0\n"
		if out.body != want {
			t.Errorf("%d bytes came out, want %d:\n%.300s", len(out.body), len(want), out.body)
		}
		sam.send("POST", "/products/import/", "text/csv", strings.NewReader(out.body)).is(200, `{"stored":1506}`) // again changes nothing
		if again := sam.ask("GET", "/products/export/", "").is(200).body; again != want {
			t.Errorf("%d bytes came out the second time, want %d", len(again), len(want))
		}
	})
}

func TestTheLastLineOfAProductCounts(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		in := "sku,name,cents,quantity\nbell,Bell,1,1\nnew,New,2,2\nbell,Better bell,1500,7\n"
		sam := s.as(t, "sam")
		sam.send("POST", "/products/import/", "text/csv", strings.NewReader(in)).is(200, `{"stored":3}`)
		want := `{"id":3,"sku":"bell","name":"Better bell","cents":1500,"stock":7,"labels":["parts","small"]}`
		sam.ask("GET", "/products/3/", "").is(200, want)
	})
}

func TestAFileThatIsWrong(t *testing.T) {
	const header = "sku,name,cents,quantity\n"
	tests := map[string]struct{ file, field string }{
		"nothing":             {"", "line 1"},
		"no header":           {"bell,Bell,1,1\n", "line 1"},
		"a column is missing": {header + "bell,Bell,1\n", "line 2"},
		"a quote is open":     {header + "bell,\"Bell,1,1\n", "line 2"},
		"no sku":              {header + ",Bell,1,1\n", "line 2"},
		"a strange sku":       {header + "Bell!,Bell,1,1\n", "line 2"},
		"no name":             {header + "bell,,1,1\n", "line 2"},
		"no UTF-8":            {header + "bell,\xff,1,1\n", "line 2"},
		"a price below zero":  {header + "a,A,1,1\nbell,Bell,-1,1\n", "line 3"},
		"half of one":         {header + "bell,Bell,1,0.5\n", "line 2"},
		"late":                {file(importChunk+10) + "bell\n", "line 512"},
	}
	onEach(t, func(t *testing.T, s *site) {
		sam := s.as(t, "sam")
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				a := sam.send("POST", "/products/import/", "text/csv", strings.NewReader(test.file))
				a.t = t
				if a.status != 422 || !strings.Contains(a.body, fmt.Sprintf(`"field":%q`, test.field)) {
					t.Errorf("%d %s, want 422 for %s", a.status, a.body, test.field)
				}
			})
		}
		// What was stored of them: the first chunk of the last.
		if n, err := s.products.Count(t.Context()); err != nil || n != 5+importChunk {
			t.Errorf("there are %d products (%v), want %d", n, err, 5+importChunk)
		}
		sam.ask("POST", "/products/import/", "{}").is(415)
		s.as(t, "bo").send("POST", "/products/import/", "text/csv", strings.NewReader(file(1))).is(403)
	})
}

// A client that takes its time to send keeps nobody else from writing.
func TestAnImportLocksNothingWhileItWaits(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		bo, sam := s.as(t, "bo"), s.as(t, "sam")
		body, send := io.Pipe()
		done := make(chan answer, 1)
		go func() {
			defer close(done)
			done <- sam.send("POST", "/products/import/", "text/csv", body)
		}()
		all := file(2 * importChunk)
		half := strings.Index(all, "a-00600")
		if _, err := io.WriteString(send, all[:half]); err != nil {
			t.Fatal(err)
		}
		bo.ask("POST", "/orders/", buy("bell", 1)).is(201)
		if _, err := io.WriteString(send, all[half:]); err != nil {
			t.Fatal(err)
		}
		_ = send.Close()
		if a, ok := <-done; ok {
			a.is(200, `{"stored":1000}`)
		}
	})
}

// Files with the same products in opposite orders, at two workers: neither waits for the other for ever.
func TestImportsAtOnce(t *testing.T) {
	twoWorkers(t, func(t *testing.T, one, two *site) {
		lines := strings.SplitAfter(file(2*importChunk), "\n")
		forth := strings.Join(lines, "")
		slices.Reverse(lines[1:])
		back := strings.Join(lines, "")
		var all sync.WaitGroup
		for i, in := range []string{forth, back, forth, back} {
			sam := []*site{one, two}[i%2].as(t, "sam")
			all.Go(func() {
				sam.send("POST", "/products/import/", "text/csv", strings.NewReader(in)).is(200, `{"stored":1000}`)
			})
		}
		all.Wait()
		if n, err := one.stocks.Count(t.Context()); err != nil || n != 5+2*importChunk {
			t.Errorf("there are %d stocks (%v), want %d", n, err, 5+2*importChunk)
		}
	})
}
