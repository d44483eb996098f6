package parity

const (
	middlewareSuite = "Django tests/middleware_exceptions"
	mixinSuite      = "Django tests/deprecation/test_middleware_mixin.py"
)

// djangoMiddlewareRows are Django's tests of middleware of both colours.
var djangoMiddlewareRows = []Row{
	{
		Suite: middlewareSuite, Tests: []string{"test_sync_middleware", "test_sync_decorated_middleware"}, Answer: Ported,
		What: "sync middleware around a sync view", Django: "nothing is adapted under WSGI",
		Tandem: "nothing between the two; one crossing at the door, and in the plan",
		By:     []string{"view.TestDjangoSyncMiddleware", "view.TestDjangoSyncDecoratedMiddleware"},
	},
	{
		Suite: middlewareSuite, Tests: []string{"test_async_middleware", "test_sync_middleware_async"}, Answer: Ported,
		What: "middleware of the other colour is adapted, and the log says so", Django: "\"Synchronous handler adapted for middleware …\", at debug",
		Tandem: "\"sync view adapted for async middleware …\" in the debug record of the route; `RoutePlan.Adapted`",
		By:     []string{"view.TestDjangoAsyncMiddleware", "view.TestDjangoSyncMiddlewareAsync"},
	},
	{
		Suite: middlewareSuite, Answer: Ported,
		Tests: []string{"test_async_middleware_async", "test_async_and_sync_middleware_async_call", "test_async_and_sync_middleware_sync_call"},
		What:  "nothing is adapted where the colours agree, or middleware has both", Django: "the log is empty",
		Tandem: "the plan has no crossing; held for all stacks of four, with what requests do",
		By: []string{
			"view.TestDjangoAsyncMiddlewareAsync", "view.TestDjangoAsyncAndSyncMiddlewareAsyncCall", "view.TestDjangoAsyncAndSyncMiddlewareSyncCall",
			"view.TestThePlanIsMinimalAndIsWhatRequestsDo",
		},
	},
	{
		Suite: middlewareSuite, Tests: []string{"test_async_and_sync_middleware_chain_async_call", "test_log"}, Answer: Intent,
		What: "middleware that is not used", Django: "raises MiddlewareNotUsed when it is made, which is logged, and leaves the chain",
		Tandem: "returns what it was given; it stays in the plan, and so in the log, with what its colour costs. To leave it out is not to `Use` it",
		By:     []string{"view.TestDjangoAsyncAndSyncMiddlewareChainAsyncCall", "view.TestDjangoLog"},
	},
	{
		Suite: middlewareSuite, Tests: []string{"test_not_sync_or_async_middleware"}, Answer: Compiler,
		What: "middleware that is capable of neither mode", Django: "RuntimeError at start", Tandem: "its type is none of the three",
		By: []string{"view/testdata/wrong/middleware_of_no_colour"},
	},
	{
		Suite: middlewareSuite, Answer: Ported,
		Tests: []string{"test_view_exception_converted_before_middleware", "test_exception_in_middleware_converted_before_prior_middleware"},
		What:  "errors are responses at every layer", Django: "`convert_exception_to_response` around each layer",
		Tandem: "the same, for errors and panics, in both modes; net/http middleware included",
		By: []string{
			"view.TestDjangoViewExceptionConvertedBeforeMiddleware", "view.TestDjangoExceptionInMiddlewareConvertedBeforePriorMiddleware",
			"view.TestObserversAreToldOnceOfEveryRequest",
		},
	},
	{
		Suite: middlewareSuite, Answer: Intent,
		Tests: []string{"test_view_exception_handled_by_process_exception", "AsyncMiddlewareTests.test_view_exception_handled_by_process_exception"},
		What:  "middleware may answer for an error", Django: "`process_exception`",
		Tandem: "it sees the error beside its response, and may return another response and no error",
		By:     []string{"view.TestDjangoViewExceptionHandledByProcessException"},
	},
	{
		Suite: middlewareSuite, Answer: Left,
		Tests: []string{
			"test_process_view_return_none", "test_process_view_return_response", "test_process_template_response", "test_template_response_error",
		},
		What: "`process_view`, `process_template_response`", Django: "hooks between URL resolution, view and rendering",
		Tandem: "the route is known when middleware runs, so a wrapper is all four; responses are not rendered later",
	},
	{
		Suite: mixinSuite, Tests: []string{"test_coroutine"}, Answer: Ported,
		What: "two-phase middleware is async around async and sync around sync", Django: "MiddlewareMixin marks itself a coroutine function",
		Tandem: "`view.Phases`; its mode is in the plan", By: []string{"view.TestDjangoCoroutine"},
	},
	{
		Suite: mixinSuite, Tests: []string{"test_sync_to_async_uses_base_thread_and_connection"}, Answer: Intent,
		What: "the phases share thread and database connection with the sync code of the request", Django: "`sync_to_async(thread_sensitive=True)` for each phase",
		Tandem: "between sync and sync they run in the view's frame, on its goroutine and, with `Pinned`, its thread; else inline and without a thread of their own",
		By:     []string{"view.TestDjangoSyncToAsyncUsesBaseThreadAndConnection"},
	},
}
