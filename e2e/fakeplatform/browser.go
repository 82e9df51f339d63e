package fakeplatform

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"docker-credential-cgr/e2e/fakeplatform/page"
)

// SignInURL returns the sign-in URL of the default providers, with a refresh token and without registration. The default
// audiences are the registry's and the API's.
func (p *Platform) SignInURL(redirect string, audience ...string) string {
	if len(audience) == 0 {
		audience = []string{p.RegistryHost(), p.API}
	}
	return p.Issuer + "/oauth?" + url.Values{
		"exit":                 {"redirect"},
		"redirect":             {redirect},
		"client_id":            {"auth0"},
		"audience":             {strings.Join(audience, ",")},
		"create_refresh_token": {"true"},
		"skip_registration":    {"true"},
	}.Encode()
}

// SignIn fills in the pages at a sign-in URL of the issuer or the identity provider. It returns the URL that the browser
// is redirected to (redirect or redirect_uri), without requesting it. It tries the passwords in order, one per page.
func SignIn(ctx context.Context, signInURL, email string, passwords ...string) (*url.URL, error) {
	return goBack(ctx, signInURL, fillIn(email, passwords))
}

// Deny denies a sign-in and returns the URL that the browser is redirected to.
func Deny(ctx context.Context, signInURL string) (*url.URL, error) {
	return goBack(ctx, signInURL, []url.Values{{"action": {"deny"}}})
}

// Approve signs in at the URL of a headless sign-in or of a device, which end on a page of the platform.
func Approve(ctx context.Context, address, email string, passwords ...string) error {
	_, text, err := walk(ctx, address, fillIn(email, passwords))
	if err == nil && !strings.Contains(text, `id="done"`) {
		err = fmt.Errorf("unexpected last page of the sign-in: %s", text)
	}
	return err
}

func fillIn(email string, passwords []string) []url.Values {
	forms := make([]url.Values, len(passwords))
	for i, password := range passwords {
		forms[i] = url.Values{"email": {email}, "password": {password}, "action": {"signin"}}
	}
	return forms
}

func goBack(ctx context.Context, signInURL string, forms []url.Values) (*url.URL, error) {
	back, text, err := walk(ctx, signInURL, forms)
	if err == nil && back == nil {
		err = fmt.Errorf("the browser is not redirected: %s", text)
	}
	return back, err
}

var signInID = regexp.MustCompile(`name="signin_id" value="([^"]+)"`)

// walk follows the pages and submits the forms in order. It returns the redirect URL of the client or, without one, the
// last page.
func walk(ctx context.Context, address string, forms []url.Values) (back *url.URL, text string, err error) {
	start, err := url.Parse(address)
	if err != nil {
		return nil, "", err
	}
	client := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !leaves(start, r.URL) {
			return nil
		}
		back = r.URL
		return http.ErrUseLastResponse
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	for err == nil {
		var at *url.URL
		at, text, err = read(client, request)
		id := signInID.FindStringSubmatch(text)
		if back != nil || err != nil || id == nil || len(forms) == 0 {
			break
		}
		form := forms[0]
		forms = forms[1:]
		form.Set("signin_id", id[1])
		action := at.ResolveReference(&url.URL{Path: page.FormPath})
		request, err = http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(form.Encode()))
		if err == nil {
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	return back, text, err
}

// leaves reports whether a URL is the redirect URL of a sign-in URL.
func leaves(start, to *url.URL) bool {
	for _, name := range []string{"redirect", "redirect_uri"} {
		home, err := url.Parse(start.Query().Get(name))
		if err == nil && home.Host == to.Host && home.Path == to.Path {
			return true
		}
	}
	return false
}

// read returns a page and its URL.
func read(client *http.Client, request *http.Request) (*url.URL, string, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.Request.URL, string(text), err
}
