package parity

// djangoRows are Django's own tests.
var djangoRows = []Row{
	{
		Suite: "Django tests/asgi", Tests: []string{"test_wrong_connection_type", "test_assert_in_listen_for_disconnect"}, Answer: Left,
		What: "ASGI messages of a kind that is not expected", Django: "raises",
		Tandem: "there are no messages: net/http is the interface",
	},
}
