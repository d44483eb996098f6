package orm

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/uptrace/bun/schema"
)

// model is what is known of a type of rows on one database: bun's table, and the
// relations, which bun does not see.
type model struct {
	db        *DB
	typ       reflect.Type
	table     *schema.Table
	zero      any // nil *T, what bun's queries take as their model
	columns   map[string]*column
	list      []*column // in the order of the struct
	key       *column   // of a primary key of one column; nil otherwise
	relations map[string]*relation
	related   []*relation // in the order of the struct
	conds     sync.Map    // parsed conditions by their text
}

// column is a field that is a column.
type column struct {
	*schema.Field
	model *model
	rel   *relation // the relation whose key it is; nil
}

// name is how errors name it.
func (c *column) name() string { return c.model.typ.Name() + "." + c.GoName }

// kind is the kind of a relation.
type kind uint8

const (
	belongsTo  kind = iota // the key is ours
	hasOne                 // the key is theirs, one row
	hasMany                // the key is theirs
	manyToMany             // the keys are in a table between
)

// relation is a field of type Ref or Refs.
type relation struct {
	owner  *model
	name   string // of the field
	index  []int
	kind   kind
	key    *column // belongsTo: ours
	of     reflect.Type
	by     string // hasOne, hasMany: name of the Ref of theirs; "": the only one
	table  string // manyToMany: the table between
	from   string // its column with our key
	to     string // its column with theirs
	once   sync.Once
	target *model
	theirs *column // hasOne, hasMany: their key column
	null   bool    // belongsTo: the key may be NULL

	// inverse is the relation to one back from the target, which is known with this
	// one: for hasOne and hasMany that of theirs, for belongsTo a hasOne. Or nil.
	inverse *relation
	wrong   error
}

// String is how errors and reports name it.
func (r *relation) String() string { return r.owner.typ.Name() + "." + r.name }

func (r *relation) toMany() bool { return r.kind >= hasMany }

// field is what of a row the relation is, as the relation's own type.
func (r *relation) field(row reflect.Value) relational {
	return row.FieldByIndex(r.index).Addr().Interface().(relational)
}

// in is field of a row that is pointed to.
func (r *relation) in(row any) relational { return r.field(reflect.ValueOf(row).Elem()) }

// other is the model at its other end. It is looked at when first used: models may
// refer to each other.
func (r *relation) other() (*model, error) {
	r.once.Do(func() {
		if r.target, r.wrong = r.owner.db.modelOf(r.of); r.wrong != nil {
			return
		}
		if r.wrong = r.complete(); r.wrong != nil {
			r.wrong = fmt.Errorf("relation %s: %w", r, r.wrong)
		}
	})
	return r.target, r.wrong
}

func (r *relation) complete() error {
	switch r.kind {
	case belongsTo:
		if r.target.key == nil {
			return fmt.Errorf("%w: %s has no primary key of one column to refer to", ErrField, r.target.typ.Name())
		}
		for _, back := range r.target.related {
			if back.kind != hasOne || back.of != r.owner.typ {
				continue
			}
			if _, err := back.other(); err == nil && back.theirs == r.key {
				r.inverse = back
			}
		}
	case hasOne, hasMany:
		if r.owner.key == nil {
			return fmt.Errorf("%w: %s has no primary key of one column", ErrField, r.owner.typ.Name())
		}
		var fits []*relation
		for _, back := range r.target.related {
			if back.kind == belongsTo && back.of == r.owner.typ && (r.by == "" || r.by == back.name) {
				fits = append(fits, back)
			}
		}
		if len(fits) != 1 {
			return fmt.Errorf("%w: %s has %d fields of type orm.Ref[%s] that fit, want one; orm:\"by:Field\" names it",
				ErrField, r.target.typ.Name(), len(fits), r.owner.typ.Name())
		}
		r.theirs, r.inverse = fits[0].key, fits[0]
	case manyToMany:
		if r.owner.key == nil || r.target.key == nil {
			return fmt.Errorf("%w: both sides need a primary key of one column", ErrField)
		}
		if r.from == "" {
			r.from = r.owner.table.ModelName + "_id"
		}
		if r.to == "" {
			r.to = r.target.table.ModelName + "_id"
		}
		if r.from == r.to {
			return fmt.Errorf("%w: both columns of %s would be %s; orm:\"m2m:%s,from:…,to:…\" names them", ErrField, r.table, r.from, r.table)
		}
	}
	return nil
}

// relational is what Ref and Refs are to queries: always as a pointer into a row.
type relational interface {
	relatedType() reflect.Type
	many() bool
	// attach tells it where its row came from, and forgets what was loaded.
	attach(from *origin, rel *relation, row any)
	// put has it loaded: rows are *T.
	put(rows []any)
	// putBack has it loaded, if it is not, with the row that loaded the one it is in.
	putBack(row any)
	isLoaded() bool
	// loadedRows are pointers to what it was loaded with.
	loadedRows() []any
	// point makes a Ref one back to a row; nil makes it NULL.
	point(row any)
	// refKey is the key that a Ref has; nil: NULL, or it was not read.
	refKey() any
	// within tells it which rows are being marshalled around it.
	within(*chain)
	// move says that it is in another row now.
	move(to any)
}

var relationalType = reflect.TypeFor[relational]()

func isRelation(f reflect.StructField) bool {
	return f.IsExported() && reflect.PointerTo(f.Type).Implements(relationalType)
}

// throughPointer says whether a field of typ is in a struct that is embedded by a
// pointer.
func throughPointer(typ reflect.Type, f reflect.StructField) bool {
	for _, i := range f.Index[:len(f.Index)-1] {
		if typ = typ.Field(i).Type; typ.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}

// modelOf returns the model of a struct type, made when first asked for.
func (db *DB) modelOf(typ reflect.Type) (*model, error) {
	if m, ok := db.models.Load(typ); ok {
		return m.(*model), nil
	}
	m, err := newModel(db, typ)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", typ, err)
	}
	kept, _ := db.models.LoadOrStore(typ, m)
	return kept.(*model), nil
}

func newModel(db *DB, typ reflect.Type) (*model, error) {
	if typ.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%w: a model is a struct", ErrType)
	}
	m := &model{
		db: db, typ: typ, zero: reflect.Zero(reflect.PointerTo(typ)).Interface(),
		columns: map[string]*column{}, relations: map[string]*relation{},
	}
	if err := notForBun(typ); err != nil { // before bun makes a table of what it cannot take
		return nil, err
	}
	m.table = db.bun.Table(typ)
	for _, f := range m.table.Fields {
		own := *f // bun's is of all who make the model at once
		c := &column{Field: &own, model: m}
		if err := c.supported(); err != nil {
			return nil, err
		}
		c.readsTexts()
		c.Scan = inFull(c.StructField.Type, c.Scan)
		m.list = append(m.list, c)
		m.columns[f.Name] = c
	}
	for _, c := range m.list { // Go names win, of one field alone
		if len(m.named(c.GoName)) == 1 {
			m.columns[c.GoName] = c
		}
	}
	if len(m.table.PKs) == 1 {
		m.key = m.list[slices.IndexFunc(m.list, func(c *column) bool { return c.IsPK })]
	}
	for _, f := range reflect.VisibleFields(typ) {
		if !isRelation(f) {
			continue
		}
		r, err := m.relation(f)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		if m.relations[r.name] == nil {
			m.relations[r.name] = r
			m.related = append(m.related, r)
		}
	}
	return m, nil
}

// supported refuses what bun's own queries do with a column and ours do not.
func (c *column) supported() error {
	for _, option := range []string{"soft_delete", "hstore", "composite", "multirange", "msgpack"} {
		if c.Tag.HasOption(option) {
			return fmt.Errorf("field %s: %w: bun's option %s is not supported", c.GoName, ErrField, option)
		}
	}
	return nil
}

// notForBun refuses relations that bun would take for columns.
func notForBun(typ reflect.Type) error {
	for _, f := range reflect.VisibleFields(typ) {
		if !isRelation(f) {
			continue
		}
		if throughPointer(typ, f) {
			return fmt.Errorf("%w: field %s is in a struct that is embedded by a pointer, which a new row has not", ErrField, f.Name)
		}
		rel := reflect.New(f.Type).Interface().(relational)
		if tag := f.Tag.Get("bun"); rel.many() && tag != "-" {
			return fmt.Errorf("%w: field %s of type orm.Refs is no column: it needs the tag bun:\"-\"", ErrField, f.Name)
		} else if tag == "" {
			return fmt.Errorf("%w: field %s of type orm.Ref needs the name of its key column, as in bun:\"author_id\", or bun:\"-\" if the key is on the other side", ErrField, f.Name)
		}
	}
	return nil
}

func (m *model) relation(f reflect.StructField) (*relation, error) {
	field := reflect.New(f.Type).Interface().(relational)
	r := &relation{owner: m, name: f.Name, index: f.Index, of: field.relatedType()}
	options, err := parseTag(f.Tag.Get("orm"))
	if err != nil {
		return nil, err
	}
	r.by, r.table, r.from, r.to = options["by"], options["m2m"], options["from"], options["to"]
	_, r.null = options["null"]
	switch {
	case !field.many() && f.Tag.Get("bun") != "-":
		r.kind = belongsTo
		at := slices.IndexFunc(m.list, func(c *column) bool { return slices.Equal(c.Index, f.Index) })
		if at < 0 {
			return nil, fmt.Errorf("%w: its tag makes it no column", ErrField)
		}
		r.key = m.list[at]
		r.key.rel = r
		if r.by != "" || r.table != "" {
			return nil, fmt.Errorf("%w: it has a key column of its own; by and m2m are for those that have none", ErrField)
		}
	case !field.many():
		r.kind = hasOne
	case r.table != "":
		r.kind = manyToMany
	default:
		r.kind = hasMany
	}
	if r.kind != manyToMany && (r.from != "" || r.to != "" || r.table != "") {
		return nil, fmt.Errorf("%w: m2m, from and to are for orm.Refs over a table between", ErrField)
	}
	if r.kind != belongsTo && r.null {
		return nil, fmt.Errorf("%w: null is for a key column of its own", ErrField)
	}
	return r, nil
}

// parseTag reads an orm tag: null, or options "name:value", separated by commas.
func parseTag(tag string) (map[string]string, error) {
	options := map[string]string{}
	if tag == "" {
		return options, nil
	}
	for one := range strings.SplitSeq(tag, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(one), ":")
		if name == "null" && !ok {
			options[name] = ""
			continue
		}
		if !ok || value == "" || !slices.Contains([]string{"by", "m2m", "from", "to"}, name) {
			return nil, fmt.Errorf("%w: orm:%q: %q is none of null, by:Field, m2m:table, from:column, to:column", ErrField, tag, one)
		}
		options[name] = value
	}
	return options, nil
}

// column finds a column by its Go name or its name in the database.
func (m *model) column(name string) (*column, error) {
	if c, ok := m.columns[name]; ok {
		return c, nil
	}
	if same := m.named(name); len(same) > 1 { // of structs that are embedded
		return nil, fmt.Errorf("%w: %s has more than one field %s: name the column, %s", ErrField, m.typ.Name(), name, strings.Join(same, " or "))
	}
	if _, ok := m.relations[name]; ok {
		return nil, fmt.Errorf("%w: %s.%s is a relation without a column of its own", ErrField, m.typ.Name(), name)
	}
	return nil, fmt.Errorf("%w: %s has no field %.60q; it has %s", ErrField, m.typ.Name(), name, strings.Join(m.names(), ", "))
}

// named are the columns of the fields with a Go name.
func (m *model) named(goName string) (columns []string) {
	for _, c := range m.list {
		if c.GoName == goName {
			columns = append(columns, c.Name)
		}
	}
	return columns
}

func (m *model) names() []string {
	names := make([]string, 0, len(m.list))
	for _, c := range m.list {
		names = append(names, c.GoName)
	}
	return names
}

// relationNamed finds a relation.
func (m *model) relationNamed(name string) (*relation, error) {
	if r, ok := m.relations[name]; ok {
		return r, nil
	}
	var has []string
	for _, r := range m.related {
		has = append(has, r.name)
	}
	if len(has) == 0 {
		return nil, fmt.Errorf("%w: %s has no relation %.60q; it has none", ErrField, m.typ.Name(), name)
	}
	return nil, fmt.Errorf("%w: %s has no relation %.60q; it has %s", ErrField, m.typ.Name(), name, strings.Join(has, ", "))
}

// onlyKey is the primary key, which must be of one column.
func (m *model) onlyKey() (*column, error) {
	if m.key == nil {
		return nil, fmt.Errorf("%w: %s has no primary key of one column", ErrField, m.typ.Name())
	}
	return m.key, nil
}
