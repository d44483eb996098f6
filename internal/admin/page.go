package admin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/control"
)

const style = `body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#222;background:#fff}
h1{font-size:1.4em}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2em .8em .2em 0;border-bottom:1px solid #ddd}
td.n,th.n{text-align:right}footer{color:#666;margin-top:2em}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}th,td{border-color:#444}a{color:#8bf}footer{color:#999}}`

// policy lets a browser do nothing with our pages but show them, in our style.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// refresh is how often a browser asks for the page anew, in seconds.
const refresh = 5

// page shows the status of this moment to a person.
func (s *Server) page(w http.ResponseWriter, r *http.Request, backend Backend) {
	ctx, cancel := context.WithTimeout(r.Context(), s.ask)
	defer cancel()
	st, err := backend.Status(ctx)
	if err != nil {
		reply(w, http.StatusServiceUnavailable, "no status: "+unanswered(err, s.ask))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(render(st)))
}

// render writes the page. What a failed reload said stays out of it: that may
// quote a path or a worker's last words, and those are for the operator's eyes.
func render(st control.Status) string {
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	put("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"refresh\" content=\"%d\">\n", refresh)
	put("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Tandem: %s</title>\n<style>%s</style>\n</head>\n<body>\n",
		text(st.State), style)
	put("<h1>Tandem: %s</h1>\n", text(st.State))
	put("<p>Supervisor %s, process %d, up for %s. Generation %d.</p>\n", text(st.Version), st.PID, duration(st.UptimeSeconds), st.Generation)
	for _, l := range st.Listeners {
		put("<p>Listening on %s.</p>\n", text(l))
	}
	if last := st.LastReload; last != nil {
		put("<p>Last reload: generation %d, %s.", last.Generation, text(last.Result))
		if last.Result == control.ResultFailed {
			put(" <code>supervisor status</code> says why.")
		}
		put("</p>\n")
	}
	put("<table>\n<thead><tr><th class=\"n\">Worker</th><th class=\"n\">Process</th><th class=\"n\">Generation</th><th>State</th><th>Liveness</th>" +
		"<th class=\"n\">Age</th><th class=\"n\">Requests</th><th class=\"n\">In flight</th><th class=\"n\">Connections</th><th class=\"n\">Memory</th></tr></thead>\n<tbody>\n")
	for _, w := range st.Workers {
		put("<tr><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">%d</td><td>%s</td><td>%s</td><td class=\"n\">%s</td>",
			w.ID, w.PID, w.Generation, text(w.State), text(w.Liveness), duration(w.AgeSeconds))
		put("<td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
			number(w.Requests), number(w.InFlight), number(w.Connections), mebibytes(w.RSSBytes))
	}
	put("</tbody>\n</table>\n")
	put("<p><a href=\"/metrics\">metrics</a> · <a href=\"/readyz\">readyz</a> · <a href=\"/livez\">livez</a></p>\n")
	put("<footer>As of %s. A snapshot; the page is asked for anew every %d seconds.</footer>\n</body>\n</html>\n",
		time.Now().UTC().Format("2006-01-02 15:04:05 UTC"), refresh)
	return b.String()
}

func text(s string) string { return html.EscapeString(s) }

// number is a dash for what is not known, as of a worker that has no scoreboard.
func number[T int64 | uint64](n *T) string {
	if n == nil {
		return "–"
	}
	return fmt.Sprint(*n)
}

func mebibytes(n *int64) string {
	if n == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f MiB", float64(*n)/(1<<20))
}

func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
