package view

import "net/http"

// FieldError is one thing that is wrong with a request's input.
type FieldError struct {
	In      string `json:"in" enum:"body,path,query,header,cookie" doc:"the part of the request"`
	Field   string `json:"field,omitempty" doc:"such as title or tags[2].name; none: the whole body"`
	Message string `json:"message"`
}

// Invalid is the error that typed views answer bad input with: 422, code
// "invalid", and the fields. A view may return one for what no tag can say.
func Invalid(fields ...FieldError) *Error {
	return &Error{Status: http.StatusUnprocessableEntity, Code: "invalid", Message: "validation failed", Fields: fields}
}
