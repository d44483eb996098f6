package parity

var asgirefThreads = []Row{
	{
		Tests: []string{"test_thread_sensitive_outside_sync", "test_thread_sensitive_outside_async"}, Answer: Ported,
		What: "sync code of one stack runs on one thread, also from a task: on the sync caller's, or one of its own", Django: "the main thread, or a single executor",
		Tandem: "`Pinned`: the scope's thread, which serves while the frame above awaits",
		By:     []string{"bridge.TestAsgirefThreadSensitiveOutsideSync", "bridge.TestAsgirefThreadSensitiveOutsideAsync"},
	},
	{
		Tests: []string{
			"test_async_single_thread_context_matches", "test_async_single_thread_nested_context", "test_async_single_thread_context_without_async_work",
			"test_async_single_thread_context_success_share_context", "test_async_single_thread_context_matches_from_async_thread",
		}, Answer: Left,
		What: "async code of one context runs on one thread", Django: "`AsyncSingleThreadContext`",
		Tandem: "async code has no thread in Go",
	},
	{
		Tests: []string{"test_thread_sensitive_with_context_matches", "test_thread_sensitive_nested_context"}, Answer: Ported,
		What: "a context has one thread; of nested ones the outermost has it", Django: "`ThreadSensitiveContext`",
		Tandem: "`Pinned`: a scope has one thread; a scope below another uses that one's",
		By:     []string{"bridge.TestAsgirefThreadSensitiveWithContextMatches", "bridge.TestAsgirefThreadSensitiveNestedContext"},
	},
	{
		Tests: []string{"test_thread_sensitive_context_without_sync_work"}, Answer: Ported,
		What: "a context without sync work costs nothing", Django: "no executor is made",
		Tandem: "no thread and no permit", By: []string{"bridge.TestAsgirefThreadSensitiveContextWithoutSyncWork"},
	},
	{
		Tests: []string{"test_thread_sensitive_context_exit_does_not_block_event_loop", "test_thread_sensitive_context_exit_does_not_starve_default_executor"}, Answer: Ported,
		What: "a context ends although its sync code is parked in `async_to_sync`, and takes no worker for that", Django: "joins the executor in a thread of its own",
		Tandem: "closing waits for nobody; the last frame ends the thread",
		By:     []string{"bridge.TestAsgirefThreadSensitiveContextExitDoesNotBlockEventLoop", "bridge.TestAsgirefThreadSensitiveContextExitDoesNotStarveDefaultExecutor"},
	},
	{
		Tests: []string{"test_thread_sensitive_double_nested_sync", "test_thread_sensitive_double_nested_async"}, Answer: Ported,
		What: "sync in async in sync in async comes back to the outermost", Django: "the outermost thread",
		Tandem: "the scope's thread for pinned code, the same goroutine for what is awaited",
		By:     []string{"bridge.TestAsgirefThreadSensitiveDoubleNestedSync", "bridge.TestAsgirefThreadSensitiveDoubleNestedAsync"},
	},
	{
		Tests: []string{"test_thread_sensitive_disabled"}, Answer: Ported,
		What: "sync code may run beside the rest", Django: "`thread_sensitive=False`",
		Tandem: "`Parallel`", By: []string{"bridge.TestAsgirefThreadSensitiveDisabled"},
	},
	{
		Tests: []string{"test_multiprocessing"}, Answer: Intent,
		What: "a child process uses nothing of its parent's", Django: "finds no loop of the parent's after fork",
		Tandem: "Go has no fork; a child that is started inside a frame has no scope and needs none", By: []string{"bridge.TestAsgirefMultiprocessing"},
	},
	{
		Tests: []string{"test_sync_to_async_uses_executor"}, Answer: Ported,
		What: "work goes where it is told to; that contradicts one thread", Django: "`executor=`; TypeError with thread_sensitive",
		Tandem: "`On`; with `Pinned` it panics when it is adapted", By: []string{"bridge.TestAsgirefSyncToAsyncUsesExecutor"},
	},
}

var asgirefTasks = []Row{
	{
		Tests: []string{"test_sync_to_async_deadlock_ignored_with_exception"}, Answer: Ported,
		What: "an exception leaves nothing held", Django: "resets its deadlock detector",
		Tandem: "errors and panics give back turn, permit and thread", By: []string{"bridge.TestAsgirefSyncToAsyncDeadlockIgnoredWithException"},
	},
	{
		Tests: []string{"test_sync_to_async_with_blocker_thread_sensitive"}, Answer: Ported,
		What: "sync code that waits for an event that sync code behind it would set", Django: "hangs (the test is expected to fail)",
		Tandem: "who is behind gets the error of its ctx at its deadline", By: []string{"bridge.TestAsgirefSyncToAsyncWithBlockerThreadSensitive"},
	},
	{
		Tests: []string{"test_sync_to_async_with_blocker_non_thread_sensitive"}, Answer: Ported,
		What: "the same beside the rest", Django: "`thread_sensitive=False`",
		Tandem: "`Parallel`", By: []string{"bridge.TestAsgirefSyncToAsyncWithBlockerNonThreadSensitive"},
	},
	{
		Tests: []string{"test_sync_to_async_within_create_task"}, Answer: Ported,
		What: "sync code of an async view, in a task with a timeout, below sync middleware", Django: "on the middleware's thread",
		Tandem: "`Pinned`: on the middleware's thread", By: []string{"bridge.TestAsgirefSyncToAsyncWithinCreateTask"},
	},
	{
		Tests: []string{
			"test_inner_shield_sync_middleware", "test_inner_shield_async_middleware", "test_inner_shield_sync_and_async_middleware", "test_inner_shield_sync_and_async_middleware_sync_task",
		}, Answer: Ported,
		What: "a disconnect reaches an async view below any middleware; what it shields runs to its end, and then view and middleware do", Django: "`asyncio.shield`",
		Tandem: "`context.WithoutCancel`",
		By: []string{
			"view.TestAsgirefInnerShieldSyncMiddleware", "view.TestAsgirefInnerShieldAsyncMiddleware",
			"view.TestAsgirefInnerShieldSyncAndAsyncMiddleware", "view.TestAsgirefInnerShieldSyncAndAsyncMiddlewareSyncTask",
		},
	},
	{
		Tests: []string{"test_nested_task", "test_nested_task_later", "test_double_nested_task", "test_two_nested_tasks_with_asyncio_run"}, Answer: Ported,
		What: "a task calls sync code when the sync code that it was begun below is over", Django: "falls back to an outer executor",
		Tandem: "its turn is with the nearest frame that is live, else with the scope",
		By: []string{
			"bridge.TestAsgirefNestedTask", "bridge.TestAsgirefNestedTaskLater", "bridge.TestAsgirefDoubleNestedTask", "bridge.TestAsgirefTwoNestedTasksWithAsyncioRun",
		},
	},
	{
		Tests: []string{"test_async_to_sync_with_stopped_main_loop"}, Answer: Intent,
		What: "an adapter that outlives its loop does not hang", Django: "makes a new loop",
		Tandem: "`ErrScopeClosed` once the request has ended", By: []string{"bridge.TestAsgirefAsyncToSyncWithStoppedMainLoop"},
	},
}
