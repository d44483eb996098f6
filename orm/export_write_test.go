package orm

// UpdateText is the statement of an update.
func UpdateText[T any](q Query[T], set ...Assignment) (text string, args []any, err error) {
	all, err := q.s.m.assignments(set)
	if err != nil {
		return "", nil, err
	}
	w, err := q.s.updating(all)
	if err != nil {
		return "", nil, err
	}
	return string(w.b), w.args, nil
}

// KnownParts is how many rows are known to be parts.
func KnownParts() (n int) {
	parts.Range(func(any, any) bool { n++; return true })
	return n
}

// Positional is a statement's text as SQLite's driver gets it.
func Positional(text string, n int) string { return positional(text, n) }

// ExprOf is SetExpr of a text that is no constant.
func ExprOf(field, text string, args ...any) Assignment {
	return SetExpr(field, constant(text), args...)
}

// Texts reads PostgreSQL's text of an array.
func Texts(array string) ([]*string, error) { return texts(array) }
