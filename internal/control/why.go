package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/tandem-go/tandem/internal/postmortem"
)

func why(w http.ResponseWriter, r *http.Request, b Backend) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	report, err := b.Why(ctx)
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, http.StatusOK, report)
}

func whyOne(w http.ResponseWriter, r *http.Request, b Backend) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	which := r.PathValue("which")
	record, err := b.Postmortem(ctx, which)
	switch {
	case errors.Is(err, postmortem.ErrNotFound):
		reply(w, http.StatusNotFound, errorBody{fmt.Sprintf("there is no record %q and none of a worker of that number", which)})
	case err != nil:
		refuse(w, err)
	default:
		reply(w, http.StatusOK, record)
	}
}
