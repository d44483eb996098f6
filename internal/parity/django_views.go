package parity

// djangoViewRows are Django's own tests of class-based views.
var djangoViewRows = []Row{
	{
		Suite: "Django tests/async ViewTests", Tests: []string{"test_views_are_correctly_marked"}, Answer: Ported,
		What: "a class is a view of the colour of its handlers", Django: "`view_is_async`, and a marked callback of `as_view()`",
		Tandem: "`view.Resource`: the plan has the colour of its methods", By: []string{"view.TestDjangoViewsAreCorrectlyMarked"},
	},
	{
		Suite: "Django tests/async ViewTests", Tests: []string{"test_mixed_views_raise_error"}, Answer: Ported,
		What: "a class with handlers of both colours is refused", Django: "`ImproperlyConfigured` from `as_view()`",
		Tandem: "`view.Resource` panics, with the names of the methods of each colour", By: []string{"view.TestDjangoMixedViewsRaiseError"},
	},
	{
		Suite: "Django tests/async ViewTests", Tests: []string{"test_options_handler_responds_correctly"}, Answer: Ported,
		What: "OPTIONS is answered in the colour of the class", Django: "`options()` returns a response, or a coroutine of one",
		Tandem: "200 with Allow, in the colour of the methods: no crossing but the view's own", By: []string{"view.TestDjangoOptionsHandlerRespondsCorrectly"},
	},
	{
		Suite: "Django tests/async ViewTests", Tests: []string{"test_http_method_not_allowed_responds_correctly"}, Answer: Ported,
		What: "a method without a handler is answered in the colour of the class", Django: "`http_method_not_allowed()` returns a response, or a coroutine of one",
		Tandem: "405 with Allow, in the colour of the methods", By: []string{"view.TestDjangoHTTPMethodNotAllowedRespondsCorrectly"},
	},
	{
		Suite: "Django tests/async ViewTests", Tests: []string{"test_base_view_class_is_sync"}, Answer: Intent,
		What: "a class without handlers is sync", Django: "`View.view_is_async` is false, and every request gets 405",
		Tandem: "it has no colour, and is no view: refused where the route is made", By: []string{"view.TestDjangoBaseViewClassIsSync"},
	},
}
