package parity

const (
	queryset = "Django tests/async test_async_queryset.py"
	model    = "Django tests/async test_async_model_methods.py"
	managers = "Django tests/async test_async_related_managers.py"
)

// djangoORMRows are Django's own tests of the ORM in async code.
var djangoORMRows = []Row{
	row(async, "test_get_async_connection", "async code has a connection", "one of its own, made in the loop's thread", "one of the pool's, for as long as a statement", "orm.TestDjangoGetAsyncConnection"),

	row(queryset, "test_async_iteration", "a query is iterated over", "`async for`", "`for row, err := range q.All(ctx)`", "orm.TestDjangoAsyncIteration"),
	row(queryset, "test_aiterator", "the same in chunks", "a server-side cursor, or chunks of one", "chunks by keyset; no cursor stays open", "orm.TestDjangoAiterator"),
	row(queryset, "test_aiterator_prefetch_related", "relations are loaded with each chunk", "`prefetch_related`", "`Related`", "orm.TestDjangoAiteratorPrefetchRelated"),
	row(queryset, "test_aiterator_invalid_chunk_size", "chunks have at least a row", "`ValueError`", "`ErrType`", "orm.TestDjangoAiteratorInvalidChunkSize"),
	row(queryset, "test_acount", "rows are counted", "`acount`", "`Count(ctx)`", "orm.TestDjangoAcount"),
	row(queryset, "test_aget", "one row, or an error", "`aget`", "`One(ctx)`, `Get(ctx, pk)`; `ErrNotFound`, `ErrMultiple`", "orm.TestDjangoAget"),
	row(queryset, "test_acreate", "a row is created", "`acreate`", "`Create(ctx, row)`, with what the database fills in", "orm.TestDjangoAcreate"),
	row(queryset, "test_aget_or_create", "a row is found or created", "`aget_or_create`", "`GetOrCreate`, which loses no race", "orm.TestDjangoAgetOrCreate"),
	row(queryset, "test_aupdate_or_create", "a row is updated or created", "`aupdate_or_create`", "`UpdateOrCreate`", "orm.TestDjangoAupdateOrCreate"),
	row(queryset, "test_abulk_create", "rows are created together", "`abulk_create`", "`BulkCreate`, with their keys", "orm.TestDjangoAbulkCreate"),
	row(queryset, "test_abulk_update", "rows are updated together", "`abulk_update`", "`BulkUpdate`", "orm.TestDjangoAbulkUpdate"),
	row(queryset, "test_ain_bulk", "rows by their keys", "`ain_bulk`", "`InBulk`, typed by the keys", "orm.TestDjangoAinBulk"),
	row(queryset, "test_alatest", "the last row by fields", "`alatest`", "`Latest(ctx, fields…)`", "orm.TestDjangoAlatest"),
	row(queryset, "test_aearliest", "the first row by fields", "`aearliest`", "`Earliest(ctx, fields…)`", "orm.TestDjangoAearliest"),
	row(queryset, "test_afirst", "the first row", "`None` if there is none", "`First(ctx)`; `ErrNotFound`", "orm.TestDjangoAfirst"),
	row(queryset, "test_alast", "the last row", "`None` if there is none", "`Last(ctx)`; `ErrNotFound`", "orm.TestDjangoAlast"),
	row(queryset, "test_aaggregate", "a value computed of rows", "a dict", "`Aggregate` into typed variables", "orm.TestDjangoAaggregate"),
	row(queryset, "test_aexists", "whether there is a row", "`aexists`", "`Exists(ctx)`", "orm.TestDjangoAexists"),
	row(queryset, "test_acontains", "whether a row is one of the query's", "`acontains`", "`Contains(ctx, row)`", "orm.TestDjangoAcontains"),
	row(queryset, "test_aupdate", "all rows of a query are updated", "`aupdate`", "`Update(ctx, orm.Set(…))`", "orm.TestDjangoAupdate"),
	row(queryset, "test_adelete", "all rows of a query are deleted", "`adelete`", "`Delete(ctx)`", "orm.TestDjangoAdelete"),
	row(queryset, "test_raw", "rows of a SELECT of one's own", "`raw`", "`Raw`; its text is a constant", "orm.TestDjangoRaw"),
	{
		Suite: queryset, Tests: []string{"test_acount_cached_result", "test_acreate_calls_asave", "test_acreate_runs_increment_logic_from_asave", "test_update_conflicts_unique_field_unsupported", "test_aexplain"}, Answer: Left,
		What: "a query set's own cache, models that override `asave`, EXPLAIN", Django: "cached rows are counted; `acreate` calls `asave`",
		Tandem: "queries are values without a cache, rows are structs without methods to override, EXPLAIN is raw SQL; both databases can update on a conflict",
	},

	row(model, "test_asave", "a row is saved", "`asave`", "`Save(ctx, row)`", "orm.TestDjangoAsave"),
	row(model, "test_adelete", "a row is deleted", "`adelete`", "`DeleteRow(ctx, row)`", "orm.TestDjangoModelAdelete"),
	row(model, "test_arefresh_from_db", "a row is read again", "`arefresh_from_db`", "`Refresh(ctx, row)`", "orm.TestDjangoArefreshFromDB"),

	row(managers, "test_acreate", "a row is created in a relation over a table", "`acreate`", "`Create(ctx, row)`, in one transaction", "orm.TestDjangoRelatedAcreate"),
	row(managers, "test_acreate_reverse", "a row is created that refers to this one", "`acreate`", "`Create(ctx, row)`", "orm.TestDjangoRelatedAcreateReverse"),
	row(managers, "test_aget_or_create_reverse", "a row that refers to this one is found or created", "`aget_or_create`", "`refs.Query().GetOrCreate`", "orm.TestDjangoRelatedAgetOrCreateReverse"),
	row(managers, "test_aupdate_or_create_reverse", "a row that refers to this one is updated or created", "`aupdate_or_create`", "`refs.Query().UpdateOrCreate`", "orm.TestDjangoRelatedAupdateOrCreateReverse"),
	row(managers, "test_aadd", "rows are added over a table", "`aadd`", "`Add(ctx, rows…)`", "orm.TestDjangoRelatedAadd"),
	row(managers, "test_aadd_reverse", "rows are made to refer to this one", "`aadd`, saving each or by one UPDATE", "`Add(ctx, rows…)`, by one UPDATE", "orm.TestDjangoRelatedAaddReverse"),
	row(managers, "test_aremove", "rows are removed over a table", "`aremove`", "`Remove(ctx, rows…)`", "orm.TestDjangoRelatedAremove"),
	row(managers, "test_aremove_reverse", "rows no longer refer to this one", "`aremove`, where the key may be NULL", "`Remove(ctx, rows…)`, else `ErrNotNull`", "orm.TestDjangoRelatedAremoveReverse"),
	row(managers, "test_aset", "a relation over a table is set", "`aset`, by what differs or anew", "`Set(ctx, rows…)`, by what differs", "orm.TestDjangoRelatedAset"),
	row(managers, "test_aset_reverse", "which rows refer to this one is set", "`aset`", "`Set(ctx, rows…)`", "orm.TestDjangoRelatedAsetReverse"),
	row(managers, "test_aclear", "a relation over a table is emptied", "`aclear`", "`Clear(ctx)`", "orm.TestDjangoRelatedAclear"),
	row(managers, "test_aclear_reverse", "no row refers to this one any more", "`aclear`", "`Clear(ctx)`", "orm.TestDjangoRelatedAclearReverse"),
	{
		Suite: managers, Tests: []string{"test_aget_or_create", "test_aupdate_or_create"}, Answer: Left,
		What: "a row of a relation over a table is found or created", Django: "looked for among the relation's rows, else created and added",
		Tandem: "two at once would create it twice, as uniqueness is of the row and not of the relation: `GetOrCreate` of its query, then `Add`",
	},
}
