package parity

const wsgi = "asgiref test_wsgi.py"

// asgirefWSGIRows are asgiref's tests of WSGI applications under ASGI: here, of
// plain net/http handlers that are sync.
var asgirefWSGIRows = []Row{
	row(wsgi, "test_basic_wsgi", "a WSGI application answers", "`WsgiToAsgi`", "`view.Blocking`: inside a permit, its answer is sent after it", "view.TestAsgirefBasicWSGI"),
	row(wsgi, "test_wsgi_empty_body", "an answer without a body", "an empty last message", "with the length that its status allows", "view.TestAsgirefWSGIEmptyBody"),
	row(wsgi, "test_wsgi_multi_body", "a body in several pieces", "joined before the call", "read before the permit is taken", "view.TestAsgirefWSGIMultiBody"),
	row(wsgi, "test_wsgi_multiple_start_response", "the status is given twice", "the last one before the body counts", "the first counts, as in net/http", "view.TestAsgirefWSGIMultipleStartResponse"),
	row(wsgi, "test_wsgi_clamped_body", "more is written than was declared", "cut", "cut, and the handler is told", "view.TestAsgirefWSGIClampedBody"),
	row(wsgi, "test_wsgi_stops_iterating_after_content_length_bytes", "nobody is asked for what is too much", "the iteration stops", "the write fails", "view.TestAsgirefWSGIStopsIteratingAfterContentLengthBytes"),
	{
		Suite: wsgi, Tests: []string{"test_script_name", "test_wsgi_path_encoding"}, Answer: Left,
		What: "where an application is mounted, and the encoding of its path", Django: "`SCRIPT_NAME`, latin-1", Tandem: "`http.StripPrefix` and `url.URL`",
	},
	{
		Suite: wsgi, Tests: []string{"test_duplicate_header_limit", "test_duplicate_header_limit_custom"}, Answer: Left,
		What: "a bound on repeated headers", Django: "400 beyond a number", Tandem: "net/http bounds the whole header (`MaxHeaderBytes`), and joins nothing",
	},
}
