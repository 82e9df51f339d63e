package signin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"docker-credential-cgr/hint"
	"docker-credential-cgr/platform"
	"docker-credential-cgr/signin/prompt"
	"docker-credential-cgr/token"
)

// Provider signs a person in at the OpenID provider of their organization and exchanges the
// ID token. This program is a public client of the provider (RFC 8252, section 8.5) with
// the redirect URL http://127.0.0.1/callback, on any port.
type Provider struct {
	STS      *platform.STS // exchanges the ID token
	Issuer   string        // URL of the provider, exactly as in its tokens
	ClientID string
	// Device selects a device code (RFC 8628). An authorization code needs a browser that
	// can reach this machine.
	Device bool
	// IdentityProvider is the UIDP of the provider on the platform.
	IdentityProvider string
	// Identity is the UIDP of the identity to assume; empty for the person's own.
	Identity string
	// Opens means that a browser may be opened for an authorization code.
	Opens bool
	// IdentityTokenEnv is as in Browser.
	IdentityTokenEnv string
	Wait             time.Duration // for the person
	Screen           prompt.Screen
	Now              func() time.Time
	Debug            func(format string, args ...any)
	Transport        http.RoundTripper // to the provider
}

const (
	providerTimeout   = 10 * time.Second // of one request to the provider
	maxProviderAnswer = 1 << 20          // bytes
)

// algorithms are the algorithms that an ID token may be signed with, all asymmetric (RFC
// 8725, section 3.1).
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// SignIn has a person sign in at the provider and exchanges their ID token for access
// tokens. An error after the person was asked is a *token.SignInError.
func (p *Provider) SignIn(ctx context.Context, r token.SignInRequest) (*token.Grant, error) {
	if p.ClientID == "" {
		return nil, errors.New("auth.oidc.client-id is not set: it is the ID of this program at the provider")
	}
	found, err := p.discover(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, stopped(ctx)
	case err != nil:
		return nil, err
	}
	redeem := func(ctx context.Context, idToken, nonce string) (*token.Grant, error) {
		if err := p.verify(ctx, found, idToken, nonce); err != nil {
			return nil, p.ended(ctx, err)
		}
		return exchange(ctx, p.STS, idToken, platform.TokenRequest{Identity: p.Identity, IdentityProvider: p.IdentityProvider}, r)
	}
	if p.Device {
		return p.withDevice(ctx, found, redeem)
	}
	return p.withCode(ctx, found, redeem)
}

// redeemer verifies an ID token of the provider, with its nonce if there is one, and
// exchanges it.
type redeemer func(ctx context.Context, idToken, nonce string) (*token.Grant, error)

// discovered is the metadata of a provider (OpenID Connect Discovery 1.0, section 3).
type discovered struct {
	oidc.ProviderConfig
	// NamesIssuer means that callbacks name the provider (RFC 9207, section 3).
	NamesIssuer bool `json:"authorization_response_iss_parameter_supported"`
}

// discover gets the metadata of the provider.
func (p *Provider) discover(ctx context.Context) (*discovered, error) {
	p.Debug("getting the metadata of %s", p.Issuer)
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	var found discovered
	_, err := platform.Send(ctx, p.Transport, platform.Request{
		Method: http.MethodGet,
		URL:    strings.TrimSuffix(p.Issuer, "/") + "/.well-known/openid-configuration",
	}, &found)
	if err != nil {
		return nil, hint.With(fmt.Errorf("cannot get the metadata of the identity provider: %w", err), hint.Text("check auth.oidc.issuer"))
	}
	if found.IssuerURL != p.Issuer {
		issuer := platform.Printable(found.IssuerURL)
		return nil, hint.With(fmt.Errorf("the identity provider at %s has another issuer, %s", p.Issuer, issuer), hint.Text("if that is right, set auth.oidc.issuer to %s", issuer))
	}
	type endpoint struct{ name, address string }
	endpoints := []endpoint{{"token_endpoint", found.TokenURL}, {"jwks_uri", found.JWKSURL}}
	switch {
	case !p.Device:
		endpoints = append(endpoints, endpoint{"authorization_endpoint", found.AuthURL})
	case found.DeviceAuthURL == "":
		return nil, hint.With(fmt.Errorf("the provider %s has no device codes", p.host()), hint.Text("set auth.oidc.flow to code"))
	default:
		endpoints = append(endpoints, endpoint{"device_authorization_endpoint", found.DeviceAuthURL})
	}
	for _, e := range endpoints {
		if _, err := p.checkAddress(e.address); err != nil {
			return nil, fmt.Errorf("the %s of the provider %s %w", e.name, p.host(), err)
		}
	}
	return &found, nil
}

// maxAddress is the maximum length of a URL from the provider.
const maxAddress = 2048

// checkAddress parses a URL from the provider to which secrets or people are sent. Its error
// continues a sentence. Plain http is allowed only at the same host as the provider, if the
// provider uses it.
func (p *Provider) checkAddress(text string) (*url.URL, error) {
	own, err := url.Parse(p.Issuer)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, errors.New("is missing")
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || len(text) > maxAddress:
		return nil, errors.New("is not a valid URL")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("has characters that are not ASCII")
	case u.Scheme != "https" && (u.Scheme != "http" || own.Scheme != "http" || u.Hostname() != own.Hostname()):
		return nil, errors.New("is not an https URL")
	}
	return u, nil
}

// withClient makes go-oidc and oauth2 send requests with a client that follows no redirects,
// and that ends with ctx: oauth2 does not pass it on with each request.
func (p *Provider) withClient(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, &http.Client{
		Transport:     bounded{p.Transport, ctx},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
}

// bounded is a transport that sends each request once, and limits the time and size of
// answers.
type bounded struct {
	http.RoundTripper
	ctx context.Context
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(b.ctx, providerTimeout)
	defer cancel()
	r = r.Clone(ctx)
	// Without a body the transport cannot send it again: a code is valid for one try.
	r.GetBody = nil
	r.Header.Set("User-Agent", "docker-credential-cgr")
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProviderAnswer))
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp, nil
}

// config returns the configuration of this program as a client of the provider.
func (p *Provider) config(found *discovered, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:    p.ClientID,
		RedirectURL: redirect,
		Scopes:      []string{oidc.ScopeOpenID, oidc.ScopeEmail}, // the account, and its name for people
		// Without a style, oauth2 would send the code twice to find out.
		Endpoint: oauth2.Endpoint{
			AuthURL: found.AuthURL, TokenURL: found.TokenURL, DeviceAuthURL: found.DeviceAuthURL,
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// verify verifies an ID token (OpenID Connect Core 1.0, section 3.1.3.7). The nonce is empty
// if none was sent.
func (p *Provider) verify(ctx context.Context, found *discovered, idToken, nonce string) error {
	if idToken == "" {
		return hint.With(errors.New("issued no ID token"), hint.Text("allow the scope openid for this program at the provider"))
	}
	ctx = p.withClient(ctx)
	verifier := found.NewProvider(ctx).VerifierContext(ctx, &oidc.Config{
		ClientID:             p.ClientID,
		SupportedSigningAlgs: algorithms,
		SkipExpiryCheck:      true, // checked below, with a tolerance for clocks
	})
	verified, err := verifier.Verify(ctx, idToken)
	if err != nil {
		return fmt.Errorf("issued an ID token that is not valid: %s", platform.Printable(err.Error(), idToken))
	}
	var claims struct {
		Party     string  `json:"azp"`
		NotBefore float64 `json:"nbf"`
	}
	if err := verified.Claims(&claims); err != nil {
		return errors.New("issued an ID token whose claims are not valid JSON")
	}
	now := p.Now()
	switch {
	case nonce != "" && verified.Nonce != nonce:
		return errors.New("issued an ID token for another sign-in")
	case claims.Party != "" && claims.Party != p.ClientID:
		return errors.New("issued an ID token for another program")
	case verified.Expiry.Before(now.Add(-platform.ClockSlack)):
		return hint.With(errors.New("issued an ID token that has expired"), checkClock)
	case claims.NotBefore > float64(now.Add(platform.ClockSlack).Unix()):
		return hint.With(errors.New("issued an ID token that is not valid yet"), checkClock)
	}
	return nil
}

var checkClock = hint.Text("check this machine's clock")

// ended returns the error of a sign-in that failed after the person's part. err says what
// the provider did.
func (p *Provider) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return stopped(ctx)
	}
	return failed(fmt.Errorf("the provider %s %w", p.host(), err))
}

// refusedBy returns the error of a sign-in that the provider refused, with its own code and
// description (RFC 6749, section 4.1.2.1).
func refusedBy(code, description string) error {
	why := "was refused: " + platform.Printable(code)
	if description != "" {
		why += ": " + platform.Printable(description)
	}
	return notFinished("%s", why)
}

// refusal returns an error for an answer of the provider without a token (RFC 6749, section
// 5.2), or for no answer. It continues a sentence.
func refusal(err error, secrets ...string) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		var request *url.Error // repeats the URL
		if errors.As(err, &request) {
			err = request.Err
		}
		return fmt.Errorf("did not answer as expected: %s", platform.Printable(err.Error(), secrets...))
	}
	text := fmt.Sprintf("answered %d %s", refused.Response.StatusCode, http.StatusText(refused.Response.StatusCode))
	for _, detail := range []string{refused.ErrorCode, refused.ErrorDescription} {
		if detail != "" {
			text += ": " + platform.Printable(detail, secrets...)
		}
	}
	return errors.New(text)
}

// host returns the provider's name in messages.
func (p *Provider) host() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.Issuer, "https://"), "http://")
}
