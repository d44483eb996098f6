package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/control"
)

// assets are what the page is made of. It is sent as one piece: nothing of it is
// fetched.
//
//go:embed assets
var assets embed.FS

var (
	style  = asset("page.css")
	script = "\"use strict\";\n" + asset("data.js") + asset("plot.js") + asset("tables.js") + asset("main.js")
	body   = template.Must(template.New("page").Funcs(template.FuncMap{
		"duration": duration, "number": number, "mebibytes": mebibytes,
	}).Parse(asset("page.html")))
)

func asset(name string) string {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is in the binary
	}
	return string(text)
}

// policy lets a browser do nothing with our pages but show them, in our style and
// by our script, which may ask us alone.
var policy = "default-src 'none'; script-src " + hash(script) + "; style-src " + hash(style) +
	"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
	"; require-trusted-types-for 'script'; trusted-types 'none'"

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// refresh is how often a browser without JavaScript asks for the page anew, in
// seconds.
const refresh = 5

// icon is a square in the colour of a service that runs; without one a browser
// asks for a file.
const icon = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%230a7' d='M1 3h6v10H1zM9 3h6v10H9z'/%3E%3C/svg%3E"

// page shows the status of this moment to a person; its script goes on from there.
func (s *Server) page(w http.ResponseWriter, r *http.Request, backend Backend) {
	ctx, cancel := context.WithTimeout(r.Context(), s.ask)
	defer cancel()
	st, err := backend.Status(ctx)
	if err != nil {
		reply(w, http.StatusServiceUnavailable, "no status: "+unanswered(err, s.ask))
		return
	}
	page, err := render(st)
	if err != nil {
		reply(w, http.StatusInternalServerError, "no page: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page)
}

// render writes the page. What a failed reload said stays out of it: that may
// quote a path or a worker's last words, and those are for the operator's eyes.
func render(st control.Status) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<noscript><meta http-equiv="refresh" content="%d"></noscript>
<title>Tandem: %s</title>
<link rel="icon" href="%s">
<style>%s</style>
</head>
<body>
`, refresh, template.HTMLEscapeString(st.State), icon, style)
	err := body.Execute(&b, struct {
		control.Status
		Refresh int
		Now     string
	}{st, refresh, time.Now().UTC().Format("2006-01-02 15:04:05 UTC")})
	fmt.Fprintf(&b, "<script>%s</script>\n</body>\n</html>\n", script)
	return b.Bytes(), err
}

// number is a dash for what is not known, as of a worker that has no scoreboard.
func number(n any) string {
	switch n := n.(type) {
	case *int64:
		if n != nil {
			return fmt.Sprint(*n)
		}
	case *uint64:
		if n != nil {
			return fmt.Sprint(*n)
		}
	}
	return "–"
}

func mebibytes(n *int64) string {
	if n == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f MiB", float64(*n)/(1<<20))
}

// duration is in the two largest units: the script writes the same.
func duration(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	text := d.Round(time.Second).String()
	if d >= time.Hour {
		text, _, _ = strings.Cut(text, "m")
		text += "m"
	}
	return text
}
