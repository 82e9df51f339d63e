package standin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
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

// SignIn goes through the page at a sign-in URL as a person would, and gives the URL that the browser is sent back to,
// without going there. Every password is tried in turn, as long as the page asks.
func SignIn(ctx context.Context, signInURL, email string, passwords ...string) (*url.URL, error) {
	forms := make([]url.Values, len(passwords))
	for i, password := range passwords {
		forms[i] = url.Values{"email": {email}, "password": {password}, "action": {"signin"}}
	}
	return fillForms(ctx, signInURL, forms)
}

// Deny presses the button that refuses a sign-in, and gives the URL that the browser is sent back to.
func Deny(ctx context.Context, signInURL string) (*url.URL, error) {
	return fillForms(ctx, signInURL, []url.Values{{"action": {"deny"}}})
}

var signInID = regexp.MustCompile(`name="signin_id" value="([0-9a-f]+)"`)

func fillForms(ctx context.Context, signInURL string, forms []url.Values) (*url.URL, error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page, err := http.NewRequestWithContext(ctx, http.MethodGet, signInURL, nil)
	if err != nil {
		return nil, err
	}
	for {
		back, text, err := visit(client, page)
		if back != nil || err != nil {
			return back, err
		}
		id := signInID.FindStringSubmatch(text)
		if id == nil || len(forms) == 0 {
			return nil, fmt.Errorf("the browser stays at %s: %s", page.URL.Redacted(), text)
		}
		form := forms[0]
		forms = forms[1:]
		form.Set("signin_id", id[1])
		action := page.URL.ResolveReference(&url.URL{Path: "/oauth/signin"})
		page, err = http.NewRequestWithContext(ctx, http.MethodPost, action.String(), strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		page.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
}

// visit gives where a page sends the browser, or else its text.
func visit(client *http.Client, page *http.Request) (*url.URL, string, error) {
	answer, err := client.Do(page)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	if back, err := answer.Location(); err == nil {
		return back, "", nil
	}
	text, err := io.ReadAll(answer.Body)
	return nil, string(text), err
}
