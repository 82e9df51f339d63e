package provider

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"docker-credential-cgr/e2e/fakeplatform/page"
)

const (
	signInTitle = "Sign in with example.com"
	deviceTitle = "Connect a device"
)

// serveLogin writes the sign-in page of an authorization request.
func (p *Provider) serveLogin(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	if _, err := p.storage.AuthRequestByID(r.Context(), id); err != nil {
		writeOver(w)
		return
	}
	if email := p.config.Settings().SignedIn; email != "" {
		p.signIn(w, id, email)
		return
	}
	page.WriteForm(w, http.StatusOK, page.Form{Title: signInTitle, ID: id})
}

// serveUserCode asks for the user code of a device or, with one, for approval (RFC 8628 section 3.3).
func (p *Provider) serveUserCode(w http.ResponseWriter, r *http.Request) {
	typed := r.URL.Query().Get("user_code")
	code := normalizeUserCode(typed)
	switch {
	case typed == "":
		writeUserCodeForm(w, http.StatusOK, "")
	case !p.storage.deviceOpen(code):
		writeUserCodeForm(w, http.StatusNotFound, "No device waits with this code.")
	case p.config.Settings().SignedIn != "":
		p.decideDevice(w, code, p.config.Settings().SignedIn)
	default:
		page.WriteForm(w, http.StatusOK, deviceForm(code))
	}
}

func deviceForm(code string) page.Form {
	lead := fmt.Sprintf("<p>Approve only if your own device shows this code: <strong id=\"user_code\">%s</strong></p>\n",
		html.EscapeString(code))
	return page.Form{Title: deviceTitle, Lead: lead, ID: code, Submit: "Approve"}
}

// normalizeUserCode accepts a user code in lower case, with spaces or without the dash.
func normalizeUserCode(typed string) string {
	letters := strings.Map(func(r rune) rune {
		if strings.ContainsRune(op.CharSetBase20, r) {
			return r
		}
		return -1
	}, strings.ToUpper(typed))
	half := op.UserCodeBase20.DashInterval
	if len(letters) != op.UserCodeBase20.CharAmount {
		return ""
	}
	return letters[:half] + "-" + letters[half:]
}

func writeUserCodeForm(w http.ResponseWriter, status int, problem string) {
	if problem != "" {
		problem = "<p id=\"error\" role=\"alert\">" + html.EscapeString(problem) + "</p>\n"
	}
	page.Write(w, status, deviceTitle, problem+`<form method="get" action="`+userCodePath+`">
<label for="user_code">Code</label>
<input id="user_code" name="user_code" autocomplete="off" autofocus>
<button id="continue" type="submit">Continue</button>
</form>`)
}

// serveForm handles the form of both pages. signin_id is the ID of an authorization request or the user code of a device.
func (p *Provider) serveForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	id, email := r.PostFormValue("signin_id"), strings.TrimSpace(r.PostFormValue("email"))
	request, err := p.storage.AuthRequestByID(r.Context(), id)
	isDevice := p.storage.deviceOpen(id)
	denied := r.PostFormValue("action") == "deny"
	switch {
	case err != nil && !isDevice:
		writeOver(w)
	case denied && isDevice:
		p.decideDevice(w, id, "")
	case denied:
		_ = p.storage.DeleteAuthRequest(r.Context(), id) // never fails
		op.AuthRequestError(w, r, request, oidc.ErrAccessDenied().WithDescription("the sign-in was denied"), p.openid)
	case !p.config.CheckPassword(email, r.PostFormValue("password")):
		form := page.Form{Title: signInTitle, ID: id}
		if isDevice {
			form = deviceForm(id)
		}
		form.Email, form.Problem = email, "Wrong email or password."
		page.WriteForm(w, http.StatusUnauthorized, form)
	case isDevice:
		p.decideDevice(w, id, email)
	default:
		p.signIn(w, id, email)
	}
}

// signIn completes an authorization request and redirects to the library's callback.
func (p *Provider) signIn(w http.ResponseWriter, id, email string) {
	if !p.storage.signIn(id, email) {
		writeOver(w)
		return
	}
	w.Header().Set("Location", p.at(authorizePath+"/callback", url.Values{"id": {id}}))
	w.WriteHeader(http.StatusSeeOther)
}

// decideDevice approves a device authorization; an empty email address denies it.
func (p *Provider) decideDevice(w http.ResponseWriter, userCode, email string) {
	switch {
	case !p.storage.decide(userCode, email):
		writeOver(w)
	case email == "":
		page.WriteError(w, http.StatusForbidden, "Not connected", "access_denied: the sign-in was denied")
	default:
		page.Write(w, http.StatusOK, "Connected", "<p id=\"done\">Go back to your device.</p>")
	}
}

func writeOver(w http.ResponseWriter) {
	page.WriteError(w, http.StatusNotFound, "This sign-in is over", "Start again from your program.")
}
