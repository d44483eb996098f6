package otel

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tandem-go/tandem/orm"
)

// Statements makes a span for each statement below a span that is recorded, that of
// a request of either colour or one of the program's own, with the statement's text,
// which has no values in it. It is an option of [orm.Open].
//
// Metric: db.client.operation.duration, of all statements.
func (t *Telemetry) Statements() orm.Option {
	if t == nil {
		return func(*orm.DB) {}
	}
	return orm.Observe(t.statement)
}

func (t *Telemetry) statement(ctx context.Context, s orm.Statement) {
	operation, table := summary(s.Text)
	attrs := []attribute.KeyValue{systemOf(s.Database), semconv.DBOperationName(operation)}
	if table != "" {
		attrs = append(attrs, semconv.DBCollectionName(table))
	}
	if s.Err != nil {
		attrs = append(attrs, semconv.ErrorTypeKey.String(typeOf(s.Err)))
	}
	t.queried.Record(ctx, s.Took.Seconds(), metric.WithAttributeSet(attribute.NewSet(attrs...)))
	if !oteltrace.SpanFromContext(ctx).IsRecording() {
		return
	}
	name := operation
	if table != "" {
		name += " " + table
	}
	_, span := t.tracer.Start(ctx, name, oteltrace.WithSpanKind(oteltrace.SpanKindClient), oteltrace.WithTimestamp(s.Began),
		oteltrace.WithAttributes(append(attrs, semconv.DBQueryText(shortened(s.Text)))...))
	if s.Rows >= 0 && operation == "SELECT" {
		span.SetAttributes(semconv.DBResponseReturnedRows(int(s.Rows)))
	}
	if s.Err != nil {
		span.SetStatus(codes.Error, "") // its text may have values in it
	}
	span.End(oteltrace.WithTimestamp(s.Began.Add(s.Took)))
}

func systemOf(database string) attribute.KeyValue {
	if database == orm.PostgreSQL {
		return semconv.DBSystemNamePostgreSQL
	}
	return semconv.DBSystemNameSQLite
}

// maxText bounds the text of a statement, in bytes.
const maxText = 2000

func shortened(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "..."
}

// summary is a statement's verb and the first table that it names; "" where it is not
// to be seen at a glance.
func summary(text string) (operation, table string) {
	words := strings.Fields(text[:min(len(text), maxText)])
	if len(words) == 0 {
		return "", ""
	}
	operation = strings.ToUpper(words[0])
	before := map[string]string{"SELECT": "FROM", "DELETE": "FROM", "INSERT": "INTO", "UPDATE": "UPDATE"}[operation]
	for i, word := range words[:len(words)-1] {
		if before == "" || !strings.EqualFold(word, before) {
			continue
		}
		if table = identifier(words[i+1]); table != "" {
			return operation, table
		}
	}
	return operation, ""
}

// identifier is a table's name without its quotes; "" for what is none, as a subquery.
func identifier(word string) string {
	word = strings.ReplaceAll(strings.TrimRight(word, ",;"), `"`, "")
	if word == "" || strings.ContainsAny(word, "()'?$") {
		return ""
	}
	return word
}

// typeOf is an error's kind, as one of few words.
func typeOf(err error) string {
	for _, known := range []struct {
		error
		name string
	}{
		{context.Canceled, "canceled"},
		{context.DeadlineExceeded, "timeout"},
		{orm.ErrUnavailable, "unavailable"},
		{orm.ErrUnique, "unique"},
		{orm.ErrSerialization, "serialization"},
	} {
		if errors.Is(err, known.error) {
			return known.name
		}
	}
	return fmt.Sprintf("%T", innermost(err))
}
