package orm

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-go/tandem/internal/stmtcache"
)

// fewParams is how many parameters SQLite looks up by name in no time.
const fewParams = 100

// driverText is a statement's text for the driver. To SQLite $1 is a name, looked up
// among all others when the statement is prepared and whenever it is run: seconds
// for 30,000 of them. They become ? where they are in order.
func (db *DB) driverText(st statement) string {
	if db.dialect != SQLite || len(st.args) <= fewParams {
		return st.text
	}
	return positional(st.text, len(st.args))
}

// driverArgs are a statement's arguments for the driver. pgx keeps 512 statements
// prepared on each connection, of any length, and the server a megabyte for one of
// 10,000 parameters: of those with a long text, which is seldom the same again,
// only what the server says of their parameters is kept, of a few.
func (db *DB) driverArgs(st statement) []any {
	if !db.keepsAll || len(st.text) <= stmtcache.MaxText {
		return st.args
	}
	return append([]any{pgx.QueryExecModeCacheDescribe}, st.args...)
}

// positional makes ? of $1 to $n. It leaves a text as it is that has not each of them
// once, in order, or that has other parameters or comments.
func positional(text string, n int) string {
	var b strings.Builder
	b.Grow(len(text))
	next := 1
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "$?'\"`[-/")
		if i < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:i])
		c := rest[i]
		rest = rest[i:]
		switch {
		case c == '$':
			number := "$" + strconv.Itoa(next)
			behind, ok := strings.CutPrefix(rest, number)
			if !ok || behind != "" && isName(behind[0]) {
				return text
			}
			b.WriteByte('?')
			rest = behind
			next++
		case c == '\'' || c == '"': // a quote inside is doubled: one more such part
			end := strings.IndexByte(rest[1:], c)
			if end < 0 {
				return text
			}
			b.WriteString(rest[:end+2])
			rest = rest[end+2:]
		case (c == '-' || c == '/') && !strings.HasPrefix(rest, "--") && !strings.HasPrefix(rest, "/*"):
			b.WriteByte(c)
			rest = rest[1:]
		default:
			return text
		}
	}
	if next != n+1 {
		return text
	}
	return b.String()
}
