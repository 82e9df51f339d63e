// Package page writes the web pages of the fake platform and its identity provider.
package page

import (
	"fmt"
	"html"
	"io"
	"net/http"
)

// FormPath is the path that a Form is posted to.
const FormPath = "/oauth/signin"

// pageFormat takes the title twice and the body. It loads nothing and is readable on a phone.
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

// formFormat takes the HTML above the form, the path, the sign-in's ID, the email address and the label of the button.
const formFormat = `%s<form method="post" action="%s">
<input type="hidden" name="signin_id" value="%s">
<label for="email">Email</label>
<input id="email" name="email" type="email" value="%s" autocomplete="username" autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password">
<button id="signin" name="action" value="signin" type="submit">%s</button>
<button id="deny" name="action" value="deny" type="submit" formnovalidate>Deny</button>
</form>`

// Form asks for an email address and a password. It is posted to FormPath with the fields signin_id, email, password and
// action (signin or deny).
type Form struct {
	Title   string
	Lead    string // HTML above the form
	ID      string // of the sign-in, for signin_id
	Email   string // default value
	Problem string // the error of the previous attempt, or empty
	Submit  string // label of the button; empty means Sign in
}

// WriteForm writes a page with the form.
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
	// Without form-action, which browsers also apply to the redirect to the client's port after the form.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	title = html.EscapeString(title)
	_, _ = io.WriteString(w, fmt.Sprintf(pageFormat, title, title, body)) // fails only if the browser disconnects
}

// WriteError writes a page with an error, in an element with the ID error.
func WriteError(w http.ResponseWriter, status int, title, problem string) {
	Write(w, status, title, "<p id=\"error\">"+html.EscapeString(problem)+"</p>")
}
