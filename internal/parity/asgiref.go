package parity

// asgirefRows are asgiref's own tests.
var asgirefRows = []Row{
	{
		Suite: "asgiref test_sync.py", Tests: []string{"test_async_to_sync_method_self_attribute", "test_async_to_sync_in_except"}, Answer: Left,
		What: "the adapter keeps `__self__`, and `sys.exc_info` of its caller", Django: "copies the attributes",
		Tandem: "a Go function has neither",
	},
}
