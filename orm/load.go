package orm

import (
	"context"
	"errors"
)

var errLater = errors.New("loading relations behind the rows is not there yet")

// load loads a relation of a row, or of all its peers.
func (o *origin) load(context.Context, *relation, any) error { return errLater }

// loadPath loads the relations on a path with rows that are there.
func loadPath(context.Context, session, []any, relatedPath, *origin) error { return errLater }
