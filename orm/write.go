package orm

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// writer writes SQL, and gathers what it is to be run with. Values become $n on
// both databases, and never text.
type writer struct {
	db      *DB
	b       []byte
	args    []any
	given   []any // arguments of the condition that is being written
	settled []any // of these, those that are written
	joins   *joins
	none    bool    // the list that was written last is of no values
	in      *inside // the subquery it is in
	subs    int     // subqueries so far
}

// inside is a subquery over a relation to many: fields reached over it are the
// subquery's.
type inside struct {
	over  []*relation
	alias string
}

// join is a relation to one that a SELECT is joined with.
type join struct {
	parent *join // nil: the model's own table
	rel    *relation
	name   string // "Author.Profile"
	alias  string // quoted
	picked bool   // its columns are selected
}

// joins are those of one SELECT, parents first.
type joins struct {
	base string // alias of the model's own table, quoted
	all  []*join
}

func (j *joins) alias(of *join) string {
	if of == nil {
		return j.base
	}
	return of.alias
}

// maxAlias is what PostgreSQL keeps of a name, in bytes.
const maxAlias = 63

// reach joins with all of over, which are relations to one.
func (j *joins) reach(over []*relation) *join {
	var at *join
next:
	for _, r := range over {
		for _, known := range j.all {
			if known.parent == at && known.rel == r {
				at = known
				continue next
			}
		}
		name := r.name
		if at != nil {
			name = at.name + "." + name
		}
		alias := "rel_" + strings.ReplaceAll(name, ".", "__")
		if len(alias) > maxAlias {
			alias = "rel_" + strconv.Itoa(len(j.all)+1)
		}
		one := &join{parent: at, rel: r, name: name, alias: r.owner.db.ident(alias)}
		j.all = append(j.all, one)
		at = one
	}
	return at
}

// text is the join's clause.
func (j *joins) text(one *join) string {
	return "LEFT JOIN " + string(one.rel.target.table.SQLNameForSelects) + " AS " + one.alias + " ON " + one.rel.link(j.alias(one.parent), one.alias)
}

// link says which rows of a table belong to which of the owner's; not over a table
// between.
func (r *relation) link(ours, theirs string) string {
	if r.kind == belongsTo {
		return theirs + "." + string(r.target.key.SQLName) + " = " + ours + "." + string(r.key.SQLName)
	}
	return theirs + "." + string(r.theirs.SQLName) + " = " + ours + "." + string(r.owner.key.SQLName)
}

func (w *writer) put(parts ...string) {
	for _, p := range parts {
		w.b = append(w.b, p...)
	}
}

// bind writes a placeholder.
func (w *writer) bind(arg any) { w.put(w.placeholder(arg)) }

// placeholder is one for a value.
func (w *writer) placeholder(arg any) string {
	w.args = append(w.args, arg)
	return "$" + strconv.Itoa(len(w.args))
}

// take is the condition's next argument.
func (w *writer) take() (any, error) {
	if len(w.given) == 0 {
		return nil, fmt.Errorf("it has more ? than arguments")
	}
	arg := w.given[0]
	w.given = w.given[1:]
	return arg, nil
}

func (l *logic) write(w *writer) error {
	w.put("(")
	for i, n := range l.parts {
		if i > 0 {
			w.put(" ", l.op, " ")
		}
		if err := n.write(w); err != nil {
			return err
		}
	}
	w.put(")")
	return nil
}

func (n *not) write(w *writer) error {
	w.put("NOT (")
	defer w.put(")")
	return n.of.write(w)
}

func (s word) write(w *writer) error {
	w.put(string(s))
	return nil
}

func (c *call) write(w *writer) error {
	w.put(c.name, "(")
	defer w.put(")")
	return c.arg.write(w)
}

func (p *path) write(w *writer) error {
	if w.in != nil {
		w.put(w.in.alias, ".", string(p.column.SQLName))
		return nil
	}
	w.put(w.joins.alias(w.joins.reach(p.over)), ".", string(p.column.SQLName))
	return nil
}

func (p *param) write(w *writer) error {
	arg, err := w.take()
	if err != nil {
		return err
	}
	values, ok := arg.(settled)
	if !ok {
		if values, err = p.settle(arg); err != nil {
			return err
		}
	}
	w.settled = append(w.settled, values)
	if !p.list {
		w.bind(values[0])
		return nil
	}
	w.put("(")
	for i, one := range values {
		if i > 0 {
			w.put(", ")
		}
		w.bind(one)
	}
	w.none = len(values) == 0
	w.put(")")
	return nil
}

// settled is what the driver is given of an argument: one value, or those of a list.
// What the program does with the argument later does not change it.
type settled []any

func (p *param) settle(arg any) (settled, error) {
	if p.list {
		return p.settleList(arg)
	}
	one, err := p.bound(arg)
	if err != nil {
		return nil, err
	}
	if one == nil {
		return nil, fmt.Errorf("%w: NULL equals nothing; IS NULL finds it", ErrType)
	}
	return settled{one}, nil
}

func (p *param) bound(arg any) (bound any, err error) {
	if p.of != nil {
		bound, err = p.of.column.argument(arg)
	} else {
		bound, err = bindable(reflect.ValueOf(&arg).Elem())
	}
	if b, ok := bound.([]byte); ok { // the program's own
		bound = bytes.Clone(b)
	}
	return bound, err
}

// maxList bounds the values of one IN: both databases take no more than 32766
// parameters in a statement.
const maxList = 30000

func (p *param) settleList(arg any) (settled, error) {
	v := reflect.ValueOf(arg)
	if v.Kind() != reflect.Slice && v.Kind() != reflect.Array || v.Type().Elem().Kind() == reflect.Uint8 {
		return nil, fmt.Errorf("%w: IN (?) takes a slice, got %T", ErrType, arg)
	}
	if v.Len() > maxList {
		return nil, fmt.Errorf("%w: IN (?) of %d values; %d are the most", ErrType, v.Len(), maxList)
	}
	values := make(settled, v.Len())
	for i := range values {
		var err error
		if values[i], err = p.bound(v.Index(i).Interface()); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// write writes the comparison; one over a relation to many asks whether there is
// such a row.
func (c *comparison) write(w *writer) error {
	many := -1
	if c.field != nil && w.in == nil {
		for i, r := range c.field.over {
			if r.toMany() {
				many = i
				break
			}
		}
	}
	if many < 0 {
		return c.writeParts(w)
	}
	for f := range c.fields() {
		if !sameRelations(f.over, c.field.over) {
			return fmt.Errorf("%w: over a relation to many, all fields of a comparison are of its one row: %s and %s are not", ErrField, c.field, f)
		}
	}
	return w.exists(c.field.over, many, func() error { return c.writeParts(w) })
}

func (c *comparison) fields() func(func(*path) bool) {
	return func(yield func(*path) bool) {
		for _, n := range c.parts {
			for {
				inner, ok := n.(*call)
				if !ok {
					break
				}
				n = inner.arg
			}
			if f, ok := n.(*path); ok && !yield(f) {
				return
			}
		}
	}
}

func sameRelations(a, b []*relation) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// exists writes a subquery over relations, of which over[many] is the first to
// many, with what write adds about its last table.
func (w *writer) exists(over []*relation, many int, write func() error) error {
	ours := w.joins.alias(w.joins.reach(over[:many]))
	w.put("EXISTS (SELECT 1 FROM ")
	where := ""
	alias := ""
	for i, r := range over[many:] {
		w.subs++
		before := alias
		alias = w.db.ident("sub_" + strconv.Itoa(w.subs))
		on := " ON "
		switch {
		case i == 0:
			before = ours
		case r.toMany():
			w.put(" JOIN ")
		default: // as everywhere: where it leads to no row, all is NULL
			w.put(" LEFT JOIN ")
		}
		if r.kind == manyToMany {
			between := w.db.ident("between_" + strconv.Itoa(w.subs))
			link := fmt.Sprintf("%s.%s = %s.%s", between, w.db.ident(r.from), before, r.owner.key.SQLName)
			w.put(w.db.ident(r.table), " AS ", between)
			if i > 0 {
				w.put(on, link)
			} else {
				where = link
			}
			w.put(" JOIN ", string(r.target.table.SQLNameForSelects), " AS ", alias, on,
				fmt.Sprintf("%s.%s = %s.%s", alias, r.target.key.SQLName, between, w.db.ident(r.to)))
			continue
		}
		w.put(string(r.target.table.SQLNameForSelects), " AS ", alias)
		if i > 0 {
			w.put(on, r.link(before, alias))
		} else {
			where = r.link(before, alias)
		}
	}
	w.put(" WHERE ", where, " AND (")
	was := w.in
	w.in = &inside{over, alias}
	err := write()
	w.in = was
	w.put("))")
	return err
}

func (c *comparison) writeParts(w *writer) error {
	text, args := len(w.b), len(w.args)
	like := ""
	for i, n := range c.parts {
		if i > 0 {
			w.put(" ")
		}
		op, isWord := n.(word)
		if isWord && strings.HasSuffix(string(op), "LIKE") {
			like = string(op)
		}
		if err := w.likePart(n, c.parts, i); err != nil {
			return err
		}
	}
	switch {
	case like != "":
		w.put(` ESCAPE '\'`)
	case w.none: // nothing is among no values, and NULL is not unknown to be
		w.none = false
		w.b, w.args = w.b[:text], w.args[:args]
		w.put(map[bool]string{true: "TRUE", false: "FALSE"}[c.parts[1] == word("NOT IN")])
	}
	return nil
}

// likePart writes a part of a comparison. SQLite has no ILIKE, so there both sides
// are made lower case.
func (w *writer) likePart(n node, parts []node, i int) error {
	lower := false
	if w.db.dialect == SQLite && len(parts) == 3 {
		op, _ := parts[1].(word)
		if lower = strings.HasSuffix(string(op), "ILIKE"); lower && i == 1 {
			n = word(strings.Replace(string(op), "ILIKE", "LIKE", 1))
		}
		lower = lower && i != 1
	}
	if lower {
		w.put("lower(")
		defer w.put(")")
	}
	return n.write(w)
}
