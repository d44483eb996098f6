package orm

import (
	"cmp"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

const queryCanceled = "57014"

// noTLS is the end of pgx's text, which has no name, for a server without TLS.
const noTLS = "server refused TLS connection"

// postgresKinds are the kinds of PostgreSQL's codes.
var postgresKinds = map[string]*Error{
	"23505": ErrUnique, "23P01": ErrUnique,
	"23503": ErrForeignKey, "23001": ErrForeignKey,
	"23502": ErrNotNull,
	"23514": ErrCheck,

	"40001": ErrSerialization, "40P01": ErrSerialization,
	"55P03": ErrLocked,
	"25006": ErrReadOnly,
	"53100": ErrFull,

	queryCanceled: ErrTimeout, "25P03": ErrTimeout, "25P04": ErrTimeout,

	"53200": ErrUnavailable, "53300": ErrUnavailable,
	"57P01": ErrUnavailable, "57P02": ErrUnavailable, "57P03": ErrUnavailable, "57P05": ErrUnavailable,

	"42P01": ErrSchema, "42703": ErrSchema, "3F000": ErrSchema,

	"42804": ErrType,
	"22001": ErrType, "22003": ErrType, "22007": ErrType, "22008": ErrType, "22021": ErrType, "22P02": ErrType, "22P03": ErrType, "22P05": ErrType,
}

// valueErrors are what is said instead of PostgreSQL's own text where that has the
// value in it.
var valueErrors = map[string]string{
	"22001": "a text is longer than its column holds",
	"22003": "a number is outside of what its column holds",
	"22007": "a text is no time of its column's type",
	"22008": "a time is outside of what its column holds",
	"22021": "a text has bytes that are no text to the database",
	"22P02": "a text is no value of its column's type",
	"22P03": "bytes are no value of their column's type",
	"22P05": "a text has characters that the database's encoding has not",
}

var (
	// keyColumns are in the detail of a PostgreSQL error, before their values.
	keyColumns = regexp.MustCompile(`\((.*?)\)=\(`)
	// unencoded is pgx's text about an argument, which has its value in it.
	unencoded = regexp.MustCompile(`^failed to encode args\[\d+\](?:(?s:.*) format for (\S+) \(OID)?`)
)

// postgresError gives an error of PostgreSQL's, pgx's or the network's its kind; nil
// is none. Values are in the driver's error, and not in its text.
func postgresError(err error) error {
	var pg *pgconn.PgError
	isConnect := errors.As(err, new(*pgconn.ConnectError))
	if errors.As(err, &pg) {
		kind := postgresKinds[pg.Code]
		if isStale(err) {
			kind = ErrSerialization // with a migration; in a transaction alone
		}
		if kind == nil && strings.HasPrefix(pg.Code, "08") {
			kind = ErrUnavailable
		}
		switch text, hides := valueErrors[pg.Code]; {
		case kind == nil && isConnect:
			return &refusal{err}
		case kind == nil:
			return nil
		case strings.HasPrefix(pg.Code, "23"):
			return refusedBy(pg, kind, err)
		case hides:
			return &classified{kind, text, err}
		}
		return &classified{kind, pg.Message, err}
	}
	if what := unencoded.FindStringSubmatch(err.Error()); what != nil {
		return &classified{ErrType, "an argument cannot be sent as " + cmp.Or(what[1], "what it stands for"), err}
	}
	switch {
	case isLost(err):
		return &classified{ErrUnavailable, (&refusal{err}).Error(), err}
	case isConnect:
		return &refusal{err}
	}
	return nil
}

// isStale says whether a statement was prepared for tables that are not so any more,
// or is gone from the server. It was not run, and pgx prepares it anew.
func isStale(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Routine == "RevalidateCachedQuery" || pg.Code == "26000")
}

// refusal is a connection that was not made, and cannot be. Its text is one line:
// pgx's has one for each attempt, of which there are two at each address where
// TLS is tried before none.
type refusal struct{ err error }

// Error gives each reason once.
func (r *refusal) Error() string {
	var (
		connect  *pgconn.ConnectError
		attempts interface{ Unwrap() []error }
		reasons  []string
	)
	if !errors.As(r.err, &connect) || !errors.As(connect.Unwrap(), &attempts) {
		return strings.Join(strings.Fields(r.err.Error()), " ")
	}
	all := attempts.Unwrap()
	for i, attempt := range all {
		text := strings.Join(strings.Fields(attempt.Error()), " ")
		if slices.Contains(reasons, text) || strings.HasSuffix(text, noTLS) && i < len(all)-1 {
			continue
		}
		reasons = append(reasons, text)
	}
	return strings.Join(reasons, "; ")
}

// Unwrap gives the driver's error.
func (r *refusal) Unwrap() error { return r.err }

func refusedBy(pg *pgconn.PgError, kind *Error, err error) error {
	c := &ConstraintError{Kind: kind, Table: pg.TableName, Constraint: pg.ConstraintName, err: err}
	if pg.ColumnName != "" {
		c.Columns = []string{pg.ColumnName}
	} else if match := keyColumns.FindStringSubmatch(pg.Detail); match != nil && kind != ErrCheck {
		for column := range strings.SplitSeq(match[1], ", ") {
			c.Columns = append(c.Columns, strings.Trim(column, `"`))
		}
	}
	return c
}

// isLost says whether it is the connection that failed, or its opening, and another
// one may not.
func isLost(err error) bool {
	var (
		refused *pgconn.ConnectError
		network net.Error
		cert    *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &cert), strings.HasSuffix(err.Error(), noTLS):
		return false // nor will it be better later
	case errors.As(err, &refused), errors.As(err, &network):
		return true
	}
	for _, end := range []error{driver.ErrBadConn, sql.ErrConnDone, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, end) {
			return true
		}
	}
	return strings.HasSuffix(err.Error(), "conn closed") // pgx has no name for it
}
