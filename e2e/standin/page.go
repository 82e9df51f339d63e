package standin

import (
	"fmt"
	"html"
	"io"
	"net/http"
)

// pageFormat takes the title twice and the body. Nothing on it is remote, and it reads well on a phone.
const pageFormat = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { display: grid; place-items: center; min-height: 90vh; margin: 1rem; }
main { width: min(22rem, 100%%); }
h1 { font-size: 1.5rem; }
label { display: block; margin: .75rem 0 .25rem; }
input { width: 100%%; box-sizing: border-box; padding: .5rem; font: inherit; }
button { margin: 1rem .5rem 0 0; padding: .5rem 1rem; font: inherit; }
#error { padding: .5rem; border-left: .25rem solid #c22; }
small { display: block; margin-top: 2rem; }
</style>
</head>
<body>
<main>
<h1>%s</h1>
%s
<small>A stand-in for the Chainguard platform, for tests and demonstrations.</small>
</main>
</body>
</html>
`

// formFormat takes the error, the sign-in's id and the email address.
const formFormat = `%s<form method="post" action="/oauth/signin">
<input type="hidden" name="signin_id" value="%s">
<label for="email">Email</label>
<input id="email" name="email" type="email" value="%s" autocomplete="username" autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password">
<button id="signin" name="action" value="signin" type="submit">Sign in</button>
<button id="deny" name="action" value="deny" type="submit" formnovalidate>Deny</button>
</form>`

func writeForm(w http.ResponseWriter, status int, id, email, problem string) {
	if problem != "" {
		problem = fmt.Sprintf("<p id=\"error\" role=\"alert\">%s</p>\n", html.EscapeString(problem))
	}
	writePage(w, status, "Sign in", fmt.Sprintf(formFormat, problem, html.EscapeString(id), html.EscapeString(email)))
}

// writePage writes a page; body is HTML.
func writePage(w http.ResponseWriter, status int, title, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// No form-action: browsers hold the redirect after a form against it, and that goes to the client's own port.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	title = html.EscapeString(title)
	_, _ = io.WriteString(w, fmt.Sprintf(pageFormat, title, title, body)) // a browser that left needs no page
}
