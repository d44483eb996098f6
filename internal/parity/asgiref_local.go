package parity

import "slices"

// asgirefLocalRows are asgiref's tests of what goes with a context or a thread.
var asgirefLocalRows = rowsOf("asgiref test_sync_contextvars.py", []Row{
	{
		Tests: []string{"test_thread_sensitive_with_context_different"}, Answer: Ported,
		What: "two contexts have two threads, at the same time", Django: "an executor each",
		Tandem: "`Pinned`: a thread each", By: []string{"bridge.TestAsgirefThreadSensitiveWithContextDifferent"},
	},
	{
		Tests: []string{"test_sync_to_async_contextvars", "test_async_to_sync_contextvars"}, Answer: Intent,
		What: "values go down through both adapters, and changes come back", Django: "copies context variables both ways",
		Tandem: "`Request.Set` both ways; a ctx's values go down", By: []string{"view.TestAsgirefSyncToAsyncContextvars", "view.TestAsgirefAsyncToSyncContextvars"},
	},
	{
		Tests: []string{
			"test_sync_to_async_contextvars_with_custom_context", "test_sync_to_async_contextvars_with_custom_context_and_parallel_tasks",
			"test_sync_to_async_contextvars_with_callable_with_context_attribute",
		}, Answer: Left,
		What: "a context other than the caller's is given to the adapter", Django: "`context=`",
		Tandem: "a ctx is an argument: whoever calls gives the one that he wants",
	},
})

var asgirefOtherRows = slices.Concat(
	rowsOf("asgiref test_local.py", []Row{
		{
			Tests: []string{
				"test_local_thread_nested", "test_local_threads_and_tasks", "test_visibility_thread_asgiref", "test_local_not_inherited_by_new_thread", "test_visibility_task",
			}, Answer: Intent,
			What: "what one thread or task keeps is not seen by another", Django: "`Local`",
			Tandem: "a ctx's values are those of its request, in 100 requests at once", By: []string{"bridge.TestAsgirefLocalThreadsAndTasks"},
		},
		{
			Tests: []string{"test_local_task_to_sync", "test_local_thread_to_async", "test_local_task_to_sync_to_task", "test_local_many_layers"}, Answer: Intent,
			What: "values go through any number of layers, and come back", Django: "`Local`",
			Tandem: "`Request.Set`", By: []string{"view.TestAsgirefLocalManyLayers"},
		},
		{
			Tests: []string{"test_local_critical_no_task_to_thread", "test_local_critical_no_thread_to_task", "test_thread_critical_local_not_context_dependent_in_sync_thread"}, Answer: Intent,
			What: "what belongs to a thread is seen by sync code on it, and by no other", Django: "`Local(thread_critical=True)`",
			Tandem: "`Pinned`: what code keeps on the scope's thread, by cgo or the system", By: []string{"bridge.TestAsgirefThreadCriticalLocalNotContextDependentInSyncThread"},
		},
		{
			Tests: []string{"test_local_task", "test_local_thread", "test_local_cycle", "test_deletion"}, Answer: Left,
			What: "a `Local` holds attributes and lets go of them", Django: "`Local`",
			Tandem: "goroutines have no locals",
		},
	}),
	rowsOf("asgiref test_garbage_collection.py", []Row{
		{
			Tests: []string{"test_thread_critical_Local_remove_all_reference_cycles"}, Answer: Intent,
			What: "nothing is left to the garbage collector's cycles", Django: "`gc.garbage` is empty",
			Tandem: "no goroutine, thread, permit or memory of a request is left", By: []string{"bridge.TestAsgirefThreadCriticalLocalRemoveAllReferenceCycles"},
		},
	}),
	rowsOf("asgiref test_testing.py", []Row{
		{
			Tests: []string{"test_receive_nothing", "test_receive_nothing_lazy_loop"}, Answer: Intent,
			What: "nothing comes before the request and after the answer, with a server and without", Django: "`ApplicationCommunicator`",
			Tandem: "`net/http/httptest`", By: []string{"view.TestAsgirefReceiveNothing", "view.TestAsgirefReceiveNothingLazyLoop"},
		},
	}),
	rowsOf("asgiref test_server.py", []Row{
		{
			Tests: []string{"test_stateless_server", "test_stateless_server_run", "test_server_delete_instance"}, Answer: Left,
			What: "a base class for servers of protocols without connections", Django: "`StatelessServer`",
			Tandem: "net/http is the server",
		},
	}),
	rowsOf("asgiref test_compatibility.py", []Row{
		{
			Tests: []string{"test_is_double_callable", "test_double_to_single_signature", "test_double_to_single_communicator"}, Answer: Left,
			What: "applications of ASGI 2 are adapted", Django: "`guarantee_single_callable`",
			Tandem: "there is one interface: http.Handler",
		},
	}),
)
