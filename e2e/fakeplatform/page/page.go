// Package page writes the pages that people meet at the fake platform: its own sign-in, and its identity provider's.
package page

import (
	"fmt"
	"html"
	"io"
	"net/http"
)

// FormPath is where a Form goes to, at the server that showed it.
const FormPath = "/oauth/signin"

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
<small>This is a fake Chainguard platform for tests and demonstrations.</small>
</main>
</body>
</html>
`

// formFormat takes what stands above it, the path, the sign-in's id, the email address and the label of the button.
const formFormat = `%s<form method="post" action="%s">
<input type="hidden" name="signin_id" value="%s">
<label for="email">Email</label>
<input id="email" name="email" type="email" value="%s" autocomplete="username" autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password">
<button id="signin" name="action" value="signin" type="submit">%s</button>
<button id="deny" name="action" value="deny" type="submit" formnovalidate>Deny</button>
</form>`

// Form asks for an email address and a password. It is sent to FormPath, with the fields signin_id, email, password and
// action, which is signin or deny.
type Form struct {
	Title   string
	Lead    string // HTML above the form
	ID      string // of the sign-in, for signin_id
	Email   string // what is filled in already
	Problem string // why it is shown again, or empty
	Submit  string // label of the button; empty means Sign in
}

// WriteForm writes the form as a page.
func WriteForm(w http.ResponseWriter, status int, f Form) {
	if f.Problem != "" {
		f.Lead += fmt.Sprintf("<p id=\"error\" role=\"alert\">%s</p>\n", html.EscapeString(f.Problem))
	}
	if f.Submit == "" {
		f.Submit = "Sign in"
	}
	Write(w, status, f.Title, fmt.Sprintf(formFormat, f.Lead, FormPath,
		html.EscapeString(f.ID), html.EscapeString(f.Email), html.EscapeString(f.Submit)))
}

// Write writes a page; body is HTML.
func Write(w http.ResponseWriter, status int, title, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	// No form-action: browsers hold the redirect after a form against it, and that goes to the client's own port.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	title = html.EscapeString(title)
	_, _ = io.WriteString(w, fmt.Sprintf(pageFormat, title, title, body)) // a browser that left needs no page
}

// WriteError writes a page that says what went wrong, in an element with the id error.
func WriteError(w http.ResponseWriter, status int, title, problem string) {
	Write(w, status, title, "<p id=\"error\">"+html.EscapeString(problem)+"</p>")
}
