package fakeplatform

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"chainguard.dev/sdk/auth/headless"

	"docker-credential-cgr/e2e/fakeplatform/page"
)

const signInTitle = "Sign in"

// maxWrongPasswords is the number of wrong passwords after which a sign-in fails.
const maxWrongPasswords = 3

// signIn is a sign-in in progress: the parameters of /oauth.
type signIn struct {
	redirect         *url.URL // nil for a headless sign-in
	headlessCode     string
	audiences        []string
	createRefresh    bool
	skipRegistration bool
	identity         string // UIDP to assume, or empty
	provider         string // organization whose identity provider signs in, by UIDP, or empty
	wrong            int
}

// refusal is the reason for a failed sign-in: the values of error= and status_code=.
type refusal struct {
	status int
	text   string
}

// parseSignIn reads the parameters of /oauth. A parameter that the real issuer might ignore is an error here, so that
// tests find clients that send it wrongly.
func (p *Platform) parseSignIn(q url.Values) (*signIn, error) {
	s := &signIn{headlessCode: q.Get("headless_code"), identity: q.Get("identity")}
	if id := q.Get("idp_id"); id != "" {
		if q.Get("client_id") != "" {
			return nil, errors.New("client_id and idp_id are mutually exclusive")
		}
		if s.provider = p.providerOrganization(id); s.provider == "" {
			return nil, fmt.Errorf("no identity provider %q", id)
		}
	}
	if c := q.Get("connection"); c != "" {
		if s.provider != "" {
			return nil, errors.New("connection requires client_id")
		}
		if !slices.Contains([]string{"google-oauth2", "github", "gitlab"}, c) {
			return nil, fmt.Errorf("no connection %q", c)
		}
	}
	if s.headlessCode != "" {
		if err := headless.VerifyCode(s.headlessCode); err != nil {
			return nil, fmt.Errorf("headless_code: %w", err)
		}
		return s, nil
	}

	if exit := q.Get("exit"); exit != "redirect" {
		return nil, fmt.Errorf("exit=%q is not supported", exit)
	}
	if s.provider == "" && q.Get("client_id") != "auth0" {
		return nil, fmt.Errorf("no client %q", q.Get("client_id"))
	}
	var err error
	if s.redirect, err = parseRedirect(q.Get("redirect")); err != nil {
		return nil, err
	}
	if q.Has("audience") {
		s.audiences = strings.Split(q.Get("audience"), ",")
	}
	if err := p.checkAudiences(s.audiences); err != nil {
		return nil, err
	}
	for name, value := range map[string]*bool{
		"create_refresh_token": &s.createRefresh,
		"skip_registration":    &s.skipRegistration,
	} {
		if text := q.Get(name); text != "" {
			if *value, err = strconv.ParseBool(text); err != nil {
				return nil, fmt.Errorf("%s=%q is not true or false", name, text)
			}
		}
	}
	return s, nil
}

// parseRedirect accepts only a client's loopback callback, because it gets the tokens in its query.
func parseRedirect(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("redirect: %w", err)
	}
	loopback := u.Hostname() == "localhost"
	if ip := net.ParseIP(u.Hostname()); ip != nil {
		loopback = ip.IsLoopback()
	}
	if u.Scheme != "http" || !loopback || u.Port() == "" || u.Path != "/callback" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("redirect %q is not http://localhost:PORT/callback", raw)
	}
	return u, nil
}

func (p *Platform) checkAudiences(audiences []string) error {
	if len(audiences) == 0 {
		return errors.New("no audience")
	}
	for _, a := range audiences {
		if !slices.Contains(p.audiences(), a) {
			return fmt.Errorf("no audience %q", a)
		}
	}
	return nil
}

// providerOrganization returns the UIDP of the organization for an idp_id, which is the UIDP of its identity provider or
// its verified name.
func (p *Platform) providerOrganization(id string) string {
	if id == p.IdentityProviderID() || id == Organization {
		return p.OrganizationID(Organization)
	}
	return ""
}

// serveOAuth starts a sign-in.
func (p *Platform) serveOAuth(w http.ResponseWriter, r *http.Request) {
	s, err := p.parseSignIn(r.URL.Query())
	if err != nil {
		// The redirect URL is not validated yet, so the browser is not redirected.
		page.WriteError(w, http.StatusBadRequest, "This sign-in is not valid", err.Error())
		return
	}
	if email := p.remembered(r, s); email != "" {
		p.finish(w, s, email)
		return
	}
	if s.provider != "" {
		p.sendToProvider(w, s)
		return
	}
	if b := p.snapshot(); b.AutoApprove {
		p.finish(w, s, orDefault(b.Person, Ada))
		return
	}
	id := randomHex(16)
	p.mu.Lock()
	p.signIns[id] = s
	p.mu.Unlock()
	page.WriteForm(w, http.StatusOK, page.Form{Title: signInTitle, ID: id})
}

func writeOver(w http.ResponseWriter) {
	page.WriteError(w, http.StatusNotFound, "This sign-in is over", "Start again from your program.")
}

// serveForm handles the sign-in page's form. The form contains the sign-in's ID, so it works without cookies.
func (p *Platform) serveForm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	id, email := r.PostFormValue("signin_id"), strings.TrimSpace(r.PostFormValue("email"))
	p.mu.Lock()
	s, known := p.signIns[id]
	if !known {
		p.mu.Unlock()
		writeOver(w)
		return
	}
	if r.PostFormValue("action") == "deny" {
		delete(p.signIns, id)
		p.mu.Unlock()
		p.refuse(w, s, refusal{http.StatusForbidden, "access_denied: the sign-in was denied"})
		return
	}
	who, found := p.people[email]
	if !found || who.password != r.PostFormValue("password") {
		s.wrong++
		over := s.wrong >= maxWrongPasswords
		if over {
			delete(p.signIns, id)
		}
		p.mu.Unlock()
		if over {
			p.refuse(w, s, refusal{http.StatusUnauthorized, "unauthorized: wrong email or password"})
			return
		}
		page.WriteForm(w, http.StatusUnauthorized,
			page.Form{Title: signInTitle, ID: id, Email: email, Problem: "Wrong email or password."})
		return
	}
	delete(p.signIns, id)
	p.mu.Unlock()
	p.remember(w, s, email)
	p.finish(w, s, email)
}

// browserCookie is the cookie of a browser with a sign-in, for Behavior.SingleSignOn.
const browserCookie = "fakeplatform_session"

// browserSession is the person who signed in in a browser, and the identity provider.
type browserSession struct{ email, provider string }

// remember sets browserCookie if Behavior.SingleSignOn is set.
func (p *Platform) remember(w http.ResponseWriter, s *signIn, email string) {
	if !p.snapshot().SingleSignOn {
		return
	}
	id := randomHex(16)
	p.mu.Lock()
	p.browsers[id] = browserSession{email, s.provider}
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: browserCookie, Value: id, Path: "/oauth", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// remembered returns the person who signed in in this browser with the identity provider of s, or "".
func (p *Platform) remembered(r *http.Request, s *signIn) string {
	cookie, err := r.Cookie(browserCookie)
	if err != nil || !p.snapshot().SingleSignOn {
		return ""
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.browsers[cookie.Value]; known.provider == s.provider {
		return known.email
	}
	return ""
}

// finish completes the sign-in of an authenticated person.
func (p *Platform) finish(w http.ResponseWriter, s *signIn, email string) {
	who, refused := p.admit(s, email)
	if refused != nil {
		p.refuse(w, s, *refused)
		return
	}
	p.count("signin")
	if s.redirect == nil {
		if err := p.openHeadlessSession(s.headlessCode, who); err != nil {
			page.WriteError(w, http.StatusInternalServerError, "Sign-in failed", err.Error())
			return
		}
		page.Write(w, http.StatusOK, "Signed in", "<p id=\"done\">Go back to your terminal.</p>")
		return
	}
	access, _ := p.mintAccess(who, s.audiences)
	q := p.callbackQuery(s)
	q.Set("token", access)
	q.Del("error")
	if s.createRefresh {
		if refresh := p.openSession(who, s.audiences); refresh != "" {
			q.Set("refresh_token", refresh)
		}
	}
	sendBack(w, s.redirect, q)
}

// admit returns the subject of a person's sign-in, or why it is refused.
func (p *Platform) admit(s *signIn, email string) (subject, *refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who, ok := p.people[email]
	if !ok {
		return subject{}, &refusal{http.StatusNotFound, "not_found: account not found, registration required"}
	}
	if !who.registered {
		if s.skipRegistration {
			return subject{}, &refusal{http.StatusNotFound, "not_found: account not found, registration required"}
		}
		who.registered = true
	}
	if s.provider != "" && !p.iam.member(who.id, s.provider) {
		return subject{}, &refusal{http.StatusForbidden, "access_denied: not a member of this organization"}
	}
	if s.identity == "" || s.identity == who.id {
		return who.subject(), nil
	}
	if _, ok := p.iam.identities[s.identity]; !ok || !p.iam.member(who.id, s.identity) {
		return subject{}, &refusal{http.StatusForbidden, "access_denied: this identity cannot be assumed"}
	}
	return subject{id: s.identity}, nil
}

// refuse ends a sign-in without a token. The polls of a denied headless sign-in still return 404.
func (p *Platform) refuse(w http.ResponseWriter, s *signIn, why refusal) {
	if s.redirect == nil {
		page.WriteError(w, why.status, "Not signed in", why.text)
		return
	}
	q := p.callbackQuery(s)
	q.Del("token")
	q.Set("error", why.text)
	q.Set("status_code", strconv.Itoa(why.status))
	sendBack(w, s.redirect, q)
}

// callbackQuery returns the query of the redirect URL. Its token and error are placeholders.
func (p *Platform) callbackQuery(s *signIn) url.Values {
	if p.snapshot().DropCallbackParameters {
		return url.Values{}
	}
	return s.redirect.Query()
}

func sendBack(w http.ResponseWriter, redirect *url.URL, q url.Values) {
	back := *redirect
	back.RawQuery = q.Encode()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", back.String()) // http.Redirect would also write it into a page
	w.WriteHeader(http.StatusSeeOther)
}
