package parity

import "slices"

// asgirefRows are asgiref's own tests, but for those of WSGI.
var asgirefRows = slices.Concat(
	rowsOf("asgiref test_sync.py", asgirefAdapters, asgirefThreads, asgirefTasks),
	asgirefLocalRows, asgirefOtherRows,
)

// rowsOf puts rows into a suite.
func rowsOf(suite string, parts ...[]Row) (all []Row) {
	for _, part := range parts {
		for _, r := range part {
			r.Suite = suite
			all = append(all, r)
		}
	}
	return all
}

var asgirefAdapters = []Row{
	{
		Tests: []string{"test_sync_to_async"}, Answer: Ported,
		What: "a sync function is called from async code; more calls than workers run one after the other", Django: "an executor's threads",
		Tandem: "a permit, on the caller's goroutine", By: []string{"bridge.TestAsgirefSyncToAsync"},
	},
	{
		Tests: []string{"test_sync_to_async_decorator", "test_sync_to_async_method_decorator", "test_sync_to_async_method_self_attribute"}, Answer: Ported,
		What: "functions, methods and bound methods are adapted", Django: "a decorator; copies `__self__`",
		Tandem: "`SyncToAsync` of a function, a method expression, a method value",
		By:     []string{"bridge.TestAsgirefSyncToAsyncDecorator", "bridge.TestAsgirefSyncToAsyncMethodDecorator", "bridge.TestAsgirefSyncToAsyncMethodSelfAttribute"},
	},
	{
		Tests: []string{"test_sync_to_async_thread_handler_child_is_partial"}, Answer: Left,
		What: "an inner function has the shape that monitoring agents patch", Django: "keeps a `functools.partial`",
		Tandem: "nothing can be patched; frames have names, labels and regions instead",
	},
	{
		Tests: []string{"test_sync_to_async_fail_non_function", "test_sync_to_async_raises_typeerror_for_async_callable_instance"}, Answer: Compiler,
		What: "what is no sync function is refused", Django: "raises TypeError when it is adapted", Tandem: "does not compile",
		By: []string{"bridge/testdata/wrong/sync_to_async_of_no_function", "bridge/testdata/wrong/sync_to_async_of_an_object"},
	},
	{
		Tests: []string{"test_async_to_sync_fail_partial"}, Answer: Compiler,
		What: "an async function with an argument is refused by `sync_to_async`, also inside a partial", Django: "raises TypeError when it is adapted", Tandem: "does not compile",
		By: []string{"bridge/testdata/wrong/sync_to_async_of_an_async_function"},
	},
	{
		Tests: []string{"test_sync_to_async_fail_async"}, Answer: Intent,
		What: "an async function without an argument is refused", Django: "raises TypeError when it is adapted",
		Tandem: "it compiles, with the ctx for an argument; panics when it is adapted, and `tandemvet` finds it", By: []string{"bridge.TestAsgirefSyncToAsyncFailAsync"},
	},
	{
		Tests: []string{"test_nested_sync_to_async_retains_wrapped_function_attributes"}, Answer: Intent,
		What: "what is adapted keeps the function's name", Django: "copies the attributes",
		Tandem: "profiles and traces show the name", By: []string{"bridge.TestAsgirefNestedSyncToAsyncRetainsWrappedFunctionAttributes"},
	},
	{
		Tests: []string{"test_async_to_sync_to_async"}, Answer: Ported,
		What: "async code below sync code below async code runs where the outermost does", Django: "on the outer loop",
		Tandem: "on the same goroutine", By: []string{"bridge.TestAsgirefAsyncToSyncToAsync"},
	},
	{
		Tests: []string{"test_async_to_sync_to_async_decorator"}, Answer: Ported,
		What: "nested code goes back to what is outside it, unless told otherwise", Django: "the outer thread and loop",
		Tandem: "the outer frame's slot; with `Parallel` a permit of its own", By: []string{"bridge.TestAsgirefAsyncToSyncToAsyncDecorator"},
	},
	{
		Tests: []string{"test_async_to_sync_to_thread_decorator", "test_async_to_sync_in_thread"}, Answer: Intent,
		What: "async code is called from a thread of one's own", Django: "makes a loop for it",
		Tandem: "a job with a scope of its own", By: []string{"bridge.TestAsgirefAsyncToSyncToThreadDecorator", "bridge.TestAsgirefAsyncToSyncInThread"},
	},
	{
		Tests: []string{"test_async_to_sync_fail_non_function", "test_async_to_sync_fail_sync"}, Answer: Compiler,
		What: "what is no async function is refused by `async_to_sync`", Django: "warns", Tandem: "does not compile",
		By: []string{"bridge/testdata/wrong/async_to_sync_of_no_function", "bridge/testdata/wrong/async_to_sync_of_a_sync_function"},
	},
	{
		Tests: []string{
			"test_async_to_sync", "test_async_to_sync_decorator", "test_async_to_sync_method_decorator", "test_async_to_sync_partial", "test_async_to_sync_on_callable_object",
		}, Answer: Ported,
		What: "an async function is called from sync code: plain, kept, a method, with bound arguments, an object", Django: "the running loop, or a new one for each call",
		Tandem: "no loop: the function is called with the scope's ctx",
		By: []string{
			"bridge.TestAsgirefAsyncToSync", "bridge.TestAsgirefAsyncToSyncDecorator", "bridge.TestAsgirefAsyncToSyncMethodDecorator",
			"bridge.TestAsgirefAsyncToSyncPartial", "bridge.TestAsgirefAsyncToSyncOnCallableObject",
		},
	},
	{
		Tests: []string{"test_async_to_sync_method_self_attribute", "test_async_to_sync_in_except"}, Answer: Left,
		What: "the adapter keeps `__self__`, and `sys.exc_info` of its caller", Django: "copies the attributes",
		Tandem: "a Go function has neither",
	},
	{
		Tests: []string{"test_async_to_sync_in_async"}, Answer: Ported,
		What: "`async_to_sync` in async code is refused", Django: "raises RuntimeError",
		Tandem: "`ErrNotSync`", By: []string{"bridge.TestAsgirefAsyncToSyncInAsync"},
	},
	{
		Tests: []string{"test_sync_to_async_detected_as_coroutinefunction"}, Answer: Compiler,
		What: "what `sync_to_async` makes counts as async", Django: "marks it as a coroutine function", Tandem: "its type says so",
		By: []string{"bridge/testdata/wrong/what_sync_to_async_makes_is_not_sync"},
	},
	{
		Tests: []string{"test_wrapped_case_is_collected"}, Answer: Compiler,
		What: "what `async_to_sync` makes counts as sync", Django: "a test runner finds it", Tandem: "its type says so",
		By: []string{"bridge/testdata/wrong/what_async_to_sync_makes_is_not_async"},
	},
	{
		Tests: []string{"test_async_to_sync_overlapping_kwargs", "test_sync_to_async_overlapping_kwargs"}, Answer: Left,
		What: "keyword arguments may be called as the adapter's own", Django: "its own are positional",
		Tandem: "Go has no keyword arguments",
	},
}
