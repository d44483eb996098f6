package parity

const (
	asgi     = "Django tests/asgi"
	handlers = "Django tests/handlers"
	async    = "Django tests/async"
)

// djangoRows are Django's own tests of its ASGI entry, of handlers, and of what
// async code must not do.
var djangoRows = []Row{
	row(asgi, "test_get_asgi_application", "a request is answered whole", "events of ASGI", "both colours, with length and type", "view.TestDjangoGetASGIApplication"),
	row(asgi, "test_file_response", "a file is an answer, with its length, type and name", "`FileResponse`", "`view.HTTP` with `http.ServeFile`, from views of both colours", "view.TestDjangoFileResponse"),
	row(asgi, "test_static_file_response", "static files are served", "`ASGIStaticFilesHandler`", "`http.FileServerFS` is a view, or with `view.Blocking` a sync one", "view.TestDjangoStaticFileResponse"),
	row(asgi, "test_headers", "headers arrive, repeated ones all of them", "joined in `META`", "a list for each name, bytes as they came", "view.TestDjangoHeaders"),
	row(asgi, "test_post_body", "a body arrives, also in pieces", "spooled before the view", "read before a permit is taken; async views read it as it comes", "view.TestDjangoPostBody"),
	row(asgi, "test_request_too_big_request_error", "a body over its bound is refused", "400 before the view", "413, and the view is not begun", "view.TestDjangoRequestTooBigRequestError"),
	row(asgi, "test_untouched_request_body_gets_closed", "a body that no view reads is closed", "the file is closed with the request", "the same; on disk it has no name from the start", "view.TestDjangoUntouchedRequestBodyGetsClosed"),
	row(asgi, "test_get_query_string", "the query arrives", "`request.GET`", "`Request.Query`", "view.TestDjangoGetQueryString"),
	row(asgi, "test_disconnect", "an async view is cancelled when its client leaves", "a task listens for `http.disconnect`", "its ctx ends; logged and counted as 499", "view.TestDjangoDisconnect"),
	row(asgi, "test_disconnect_both_return", "the client leaves while the answer is on its way", "whichever comes first", "one end, 200 or 499", "view.TestDjangoDisconnectBothReturn"),
	row(asgi, "test_disconnect_with_body", "the client leaves after its body", "cancelled", "its ctx ends, once the body has been read", "view.TestDjangoDisconnectWithBody"),
	row(asgi, "test_delayed_disconnect_with_body", "the client leaves later, after its body", "cancelled", "the same for a client that first ends its sending side", "view.TestDjangoDelayedDisconnectWithBody"),
	row(asgi, "test_cancel_post_request_with_sync_processing", "a sync view is not stopped, and its body stays readable", "it runs to its end", "the same; its answer goes nowhere", "view.TestDjangoCancelPostRequestWithSyncProcessing"),
	row(asgi, "test_request_lifecycle_signals_dispatched_with_thread_sensitive", "hooks at start and end share the view's thread", "`ThreadSensitiveContext`", "`view.Pinned`: one OS thread for all sync code of the request", "view.TestDjangoRequestLifecycleSignalsDispatchedWithThreadSensitive"),
	row(asgi, "test_concurrent_async_uses_multiple_thread_pools", "sync views of two requests run beside each other", "an executor for each request", "a permit for each", "view.TestDjangoConcurrentAsyncUsesMultipleThreadPools"),
	row(asgi, "test_asyncio_cancel_error", "a cancelled view can clean up, and the end is told once", "`CancelledError` and `request_finished`", "its ctx ends; `Observe` is called once", "view.TestDjangoAsyncioCancelError"),
	row(asgi, "test_asyncio_streaming_cancel_error", "a stream is told that its client has left", "`CancelledError` in the generator", "the ctx that its view had ends", "view.TestDjangoAsyncioStreamingCancelError"),
	row(asgi, "test_streaming", "chunks go out one by one", "an async generator", "`view.Stream`, flushed chunk by chunk", "view.TestDjangoStreaming"),
	row(asgi, "test_streaming_disconnect", "a client that left gets no more chunks", "cancelled", "the sequence is stopped; 499 if nothing was sent", "view.TestDjangoStreamingDisconnect"),
	{
		Suite: asgi, Tests: []string{"test_wrong_connection_type", "test_assert_in_listen_for_disconnect"}, Answer: Left,
		What: "ASGI messages of a kind that is not expected", Django: "raises", Tandem: "there are no messages: net/http is the interface",
	},
	{
		Suite: asgi, Tests: []string{"test_non_unicode_query_string"}, Answer: Left,
		What: "a query that is not UTF-8", Django: "400", Tandem: "bytes are legal in Go's strings; the view decides",
	},

	row(handlers, "test_sync_view", "a sync view answers", "through `sync_to_async`", "inside a permit", "view.TestDjangoSyncView"),
	row(handlers, "test_async_view", "an async view answers", "on the loop", "on the request's goroutine", "view.TestDjangoAsyncView"),
	row(handlers, "test_suspiciousop_in_view_returns_400", "a suspicious request is 400, and the client is told nothing more", "`SuspiciousOperation`", "`view.Error` with a cause: that is logged alone", "view.TestDjangoSuspiciousopInViewReturns400"),
	row(handlers, "test_bad_request_in_view_returns_400", "a view refuses a request", "`BadRequest`", "`view.Errorf`", "view.TestDjangoBadRequestInViewReturns400"),
	row(handlers, "test_no_response", "a view that returns nothing is named", "`ValueError`", "500, `ErrNoResponse` in the log", "view.TestDjangoNoResponse"),
	{
		Suite: handlers, Tests: []string{"test_unawaited_response"}, Answer: Compiler,
		What: "a sync view that returns what was not awaited", Django: "`ValueError`, unawaited coroutine",
		Tandem: "what is not awaited is a function, and a function is no Response", By: []string{"view/testdata/wrong/unawaited_response"},
	},
	row(handlers, "test_auto_transaction", "a transaction around each request", "`ATOMIC_REQUESTS`", "middleware of both colours, of ten lines", "orm.TestDjangoAutoTransaction"),
	{
		Suite: handlers, Tests: []string{"test_auto_transaction_async_view"}, Answer: Intent,
		What: "the same around an async view", Django: "refused: `RuntimeError`", Tandem: "works: `AtomicAsync`",
		By: []string{"orm.TestDjangoAutoTransaction"},
	},

	row(async, "test_async_unsafe", "what is sync only refuses async code", "`SynchronousOnlyOperation` from `@async_unsafe`", "`ErrSynchronousOnly` from `bridge.RequireSync`", "view.TestDjangoAsyncUnsafe"),
	row(async, "test_async_unsafe_suppressed", "the guard can be turned off", "`DJANGO_ALLOW_ASYNC_UNSAFE`", "no: crossing over is the way, and cheap", "view.TestDjangoAsyncUnsafeSuppressed"),
}
