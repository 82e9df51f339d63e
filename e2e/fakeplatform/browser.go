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

// SignInURL is where a client sends the browser, for the default providers, with a refresh token and without making an
// account. Without audiences it asks for the registry's and the API's.
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

// SignIn goes through the pages at a sign-in URL as a person would, the identity provider's too, and gives the URL that
// the browser is sent back to, without going there. Every password is tried in turn, as long as a page asks. The URL is
// one of the issuer or of the identity provider: where it ends is its redirect or redirect_uri.
func SignIn(ctx context.Context, signInURL, email string, passwords ...string) (*url.URL, error) {
	return goBack(ctx, signInURL, fillIn(email, passwords))
}

// Deny presses the button that refuses a sign-in, and gives the URL that the browser is sent back to.
func Deny(ctx context.Context, signInURL string) (*url.URL, error) {
	return goBack(ctx, signInURL, []url.Values{{"action": {"deny"}}})
}

// Approve signs in at a URL that ends on a page of its own: that of a headless sign-in, or of a device.
func Approve(ctx context.Context, address, email string, passwords ...string) error {
	_, text, err := walk(ctx, address, fillIn(email, passwords))
	if err == nil && !strings.Contains(text, `id="done"`) {
		err = fmt.Errorf("the sign-in ends with %s", text)
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
		err = fmt.Errorf("the browser stays here: %s", text)
	}
	return back, err
}

var signInID = regexp.MustCompile(`name="signin_id" value="([^"]+)"`)

// walk goes from page to page and sends the forms, one after the other. It gives where the browser is sent back to, or
// else the page on which it stays.
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

// leaves reports whether a URL is the one that a sign-in URL asks to be sent back to.
func leaves(start, to *url.URL) bool {
	for _, name := range []string{"redirect", "redirect_uri"} {
		home, err := url.Parse(start.Query().Get(name))
		if err == nil && home.Host == to.Host && home.Path == to.Path {
			return true
		}
	}
	return false
}

// read gives a page, and where it is.
func read(client *http.Client, request *http.Request) (*url.URL, string, error) {
	answer, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.Request.URL, string(text), err
}
