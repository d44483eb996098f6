package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

// Products are brought in and out as CSV, line by line: what either takes of memory does not depend on how many there are.
var csvHeader = []string{"sku", "name", "cents", "quantity"}

const (
	maxImport   = 16 << 20 // bytes
	importChunk = 500      // rows that are stored together
	exportChunk = 32 << 10 // bytes that are sent together
)

// exportProducts iterates over all products while they are sent. No connection to the database is held while the client takes
// its time. An error in the middle cuts the connection, so that nobody takes half a file for a whole one.
func (s *shop) exportProducts(ctx context.Context, _ *view.Request) (view.Response, error) {
	all := s.products.Related("Stock").Order("sku")
	chunks := func(yield func([]byte, error) bool) {
		var out bytes.Buffer
		w := csv.NewWriter(&out)
		_ = w.Write(csvHeader) // into memory: it cannot fail
		for p, err := range all.All(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			_ = w.Write([]string{p.SKU, p.Name, strconv.FormatInt(p.Cents, 10), strconv.FormatInt(quantityOf(p), 10)})
			if w.Flush(); out.Len() >= exportChunk {
				if !yield(out.Bytes(), nil) {
					return
				}
				out.Reset()
			}
		}
		w.Flush()
		yield(out.Bytes(), nil)
	}
	resp := view.WithHeader(view.Stream(chunks), "Content-Type", "text/csv; charset=utf-8")
	return view.WithHeader(resp, "Content-Disposition", `attachment; filename="products.csv"`), nil
}

// quantityOf is how many there are of a product that was loaded with its stock.
func quantityOf(p *Product) int64 {
	if stock := p.Stock.Must(); stock != nil {
		return stock.Quantity
	}
	return 0
}

// imported is how far an import has come.
type imported struct {
	Stored int `json:"stored" doc:"lines"`
}

// importRow is a line of the file: a product, and how many there are of it from now on.
type importRow struct {
	product  *Product
	quantity int64
}

// importProducts stores the lines of the body while they arrive. A product with a sku that is there is changed, so a file may
// be sent again, and after an error the rest of it may be: each chunk is a transaction of its own. One around all of them
// would keep everybody else from writing for as long as the client takes to send.
func (s *shop) importProducts(ctx context.Context, r *view.Request) (view.Response, error) {
	if kind, _, _ := strings.Cut(r.Header().Get("Content-Type"), ";"); kind != "text/csv" {
		return nil, view.Errorf(http.StatusUnsupportedMediaType, "the body must be text/csv")
	}
	in := csv.NewReader(r.Body())
	in.FieldsPerRecord, in.ReuseRecord = len(csvHeader), true
	header, err := in.Read()
	if err != nil {
		return nil, unreadable(err, 0)
	}
	if got := strings.Join(header, ","); got != strings.Join(csvHeader, ",") {
		return nil, refused(1, 0, "the first line must be "+strings.Join(csvHeader, ","))
	}
	stored := 0
	for end := false; !end; {
		var rows []importRow
		for len(rows) < importChunk && !end {
			record, err := in.Read()
			if errors.Is(err, io.EOF) {
				end = true
				break
			} else if err != nil {
				return nil, unreadable(err, stored)
			}
			row, wrong := parseRow(record)
			if wrong != "" {
				at, _ := in.FieldPos(0)
				return nil, refused(at, stored, wrong)
			}
			rows = append(rows, row)
		}
		if err := s.store(ctx, rows); err != nil {
			return nil, fmt.Errorf("import, after %d lines: %w", stored, err)
		}
		stored += len(rows)
	}
	return view.JSON(imported{stored}), nil
}

// parseRow is a line's product, or what is wrong with it: the rules are those of POST /products/.
func parseRow(record []string) (row importRow, wrong string) {
	cents, err := strconv.ParseInt(record[2], 10, 64)
	if err != nil || cents < 0 || cents > 100_000_000 {
		return row, "cents must be a whole number from 0 to 100000000"
	}
	quantity, err := strconv.ParseInt(record[3], 10, 64)
	if err != nil || quantity < 0 || quantity > 1_000_000 {
		return row, "quantity must be a whole number from 0 to 1000000"
	}
	sku, name := strings.Clone(record[0]), strings.Clone(record[1]) // the reader uses the record again
	if sku == "" || len(sku) > 40 || strings.Trim(sku, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return row, "sku must be 1 to 40 small letters, digits and dashes"
	}
	if n := utf8.RuneCountInString(name); n < 1 || n > 200 || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return row, "name must be 1 to 200 characters of UTF-8"
	}
	return importRow{&Product{SKU: sku, Name: name, Cents: cents}, quantity}, ""
}

// store stores a chunk by two statements, and no more for many rows than for few. Rows are changed in the same order whoever
// does it, products by their sku and stocks by their product as orders do: so no two wait for each other's.
func (s *shop) store(ctx context.Context, rows []importRow) error {
	last := map[string]importRow{} // one statement cannot change a row twice: of several lines with one sku the last one counts
	for _, row := range rows {
		last[row.product.SKU] = row
	}
	rows = slices.SortedFunc(maps.Values(last), func(a, b importRow) int { return cmp.Compare(a.product.SKU, b.product.SKU) })
	return orm.AtomicAsync(ctx, s.db, func(ctx context.Context, _ *orm.Tx) error {
		products := make([]*Product, len(rows))
		for i, row := range rows {
			products[i] = row.product
		}
		err := s.products.BulkCreate(ctx, products, orm.UpdateConflicts([]string{"sku"}, []string{"name", "cents"}))
		if err != nil {
			return err
		}
		// The products have their ids now, those that were there before too.
		slices.SortFunc(rows, func(a, b importRow) int { return cmp.Compare(a.product.ID, b.product.ID) })
		stocks := make([]*Stock, len(rows))
		for i, row := range rows {
			stocks[i] = &Stock{Product: orm.RefTo(row.product), Quantity: row.quantity}
		}
		return s.stocks.BulkCreate(ctx, stocks, orm.UpdateConflicts([]string{"Product"}, []string{"quantity"}))
	})
}

// refused says which line of the file is wrong, and that those before it are stored.
func refused(line, stored int, why string) error {
	e := view.Invalid(view.FieldError{In: "body", Field: fmt.Sprintf("line %d", line), Message: why})
	e.Message = fmt.Sprintf("line %d is wrong; %d lines before it are stored", line, stored)
	return e
}

// unreadable is refused for what is no CSV. A body that is too large is a 413 by itself; what else the network says is for
// the log.
func unreadable(err error, stored int) error {
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		return refused(bad.Line, stored, bad.Err.Error())
	}
	if errors.Is(err, io.EOF) {
		return refused(1, stored, "the file is empty")
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return &view.Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("the file cannot be read; %d lines are stored", stored), Err: err}
}
