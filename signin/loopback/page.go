package loopback

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"strings"
)

// page is the template of a Page. The values in it are escaped. html/template would add
// 2.3 MB to the program.
const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – docker-credential-cgr</title>
<style>` + pageStyle + `</style>
</head>
<body>
<main>
<p class="mark {kind}" aria-hidden="true"></p>
<h1>{title}</h1>
<p>{text}</p>
<p class="foot">docker-credential-cgr</p>
</main>
</body>
</html>
`

const pageStyle = `
:root{color-scheme:light dark;--back:#f5f6f8;--card:#fff;--ink:#1c2430;--soft:#5d6877;--line:#dde1e7;--good:#1a7f4b;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--back:#12161c;--card:#1b212a;--ink:#e8ecf1;--soft:#9aa6b5;--line:#2d3642;--good:#4cc38a;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--back);color:var(--ink);font:1rem/1.55 system-ui,sans-serif}
main{width:100%;max-width:30rem;padding:2.25rem 2rem 1.5rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem;text-align:center;overflow-wrap:anywhere}
h1{margin:.75rem 0 .5rem;font-size:1.35rem;line-height:1.3}
p{margin:.5rem 0}
.mark{width:3rem;height:3rem;margin:0 auto;border-radius:50%;display:grid;place-items:center;color:var(--card);font-size:1.6rem;font-weight:700}
.good{background:var(--good)}.good::before{content:"\2713"}
.bad{background:var(--bad)}.bad::before{content:"!"}
.foot{margin-top:1.75rem;color:var(--soft);font-size:.85rem}
`

// pagePolicy returns the content security policy of a page: its style sheet, nothing else.
func pagePolicy() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// Page is what the browser shows a person, or where it is redirected first.
type Page struct {
	Good        bool
	Title, Text string
	More        bool   // another callback may still replace it
	Next        string // the address to redirect to, if any
}

func writePage(w http.ResponseWriter, p Page) {
	kind := "bad"
	if p.Good {
		kind = "good"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// A page that was sent in part does no harm.
	_, _ = io.WriteString(w, strings.NewReplacer(
		"{title}", html.EscapeString(p.Title),
		"{text}", html.EscapeString(p.Text),
		"{kind}", kind,
	).Replace(page))
}
